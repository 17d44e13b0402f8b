// Error numbers of drbdsetup that the engine answers with. Configuration and commands
// specification, section 11.3.
#pragma once

namespace engine {

inline constexpr int kErrDiskTooSmall = 111;
inline constexpr int kErrMdDiskTooSmall = 112;
inline constexpr int kErrMdInvalid = 116;
inline constexpr int kErrIoMdDisk = 118;
inline constexpr int kErrNoMd = 119;
inline constexpr int kErrDiscardImpossible = 123;
inline constexpr int kErrDiskConfigured = 124;
inline constexpr int kErrNetConfigured = 125;
inline constexpr int kErrMinorInvalid = 127;
inline constexpr int kErrIntr = 129;
inline constexpr int kErrResizeResync = 130;
inline constexpr int kErrNoPrimary = 131;
inline constexpr int kErrPauseIsSet = 134;
inline constexpr int kErrPauseIsClear = 135;
inline constexpr int kErrNoDisk = 138;
inline constexpr int kErrIntegrityAlg = 141;
inline constexpr int kErrCsumsInUse = 148;
inline constexpr int kErrVerifyRunning = 149;
inline constexpr int kErrDataNotCurrent = 150;
inline constexpr int kErrNeedStandAlone = 151;
inline constexpr int kErrMinorConfigured = 160;
inline constexpr int kErrMinorOrVolumeExists = 161;
inline constexpr int kErrInvalidRequest = 162;
inline constexpr int kErrImplicitShrink = 170;

}  // namespace engine
