#include "nbd-backend/wire.h"

#include "base/require.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

namespace nbd {

namespace {

constexpr std::size_t kRecordBytes = 16384;  // the most that one record of TLS holds

// TLS above our sockets: OpenSSL's own would raise SIGPIPE.
int descriptor_of(BIO* bio) {
    return *static_cast<const int*>(BIO_get_data(bio));
}

bool is_not_now() {
    return errno == EAGAIN || errno == EINTR;
}

int read_socket(BIO* bio, char* out, int room) {
    BIO_clear_retry_flags(bio);
    const ssize_t count =
        ::recv(descriptor_of(bio), out, static_cast<std::size_t>(room), MSG_DONTWAIT);
    if (count < 0 && is_not_now()) {
        BIO_set_retry_read(bio);
    }
    return static_cast<int>(count);
}

int write_socket(BIO* bio, const char* in, int length) {
    BIO_clear_retry_flags(bio);
    const ssize_t count = ::send(
        descriptor_of(bio), in, static_cast<std::size_t>(length), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && is_not_now()) {
        BIO_set_retry_write(bio);
    }
    return static_cast<int>(count);
}

long control_socket(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nbd socket");
    REQUIRE(method != nullptr);
    BIO_meth_set_read(method, &read_socket);
    BIO_meth_set_write(method, &write_socket);
    BIO_meth_set_ctrl(method, &control_socket);
    return method;
}

// `socket` stays where it is.
BIO* new_bio(int& socket) {
    static const BIO_METHOD* const method = make_method();  // for the life of the process
    BIO* bio = BIO_new(method);
    if (bio != nullptr) {
        BIO_set_data(bio, &socket);
        BIO_set_init(bio, 1);
    }
    return bio;
}

}  // namespace

void Wire::Free::operator()(ssl_st* tls) const {
    SSL_free(tls);
}

Wire::Moved Wire::receive(std::span<iovec> space) {
    if (tls_) {
        return receive_tls(space);
    }
    msghdr message{};
    message.msg_iov = space.data();
    message.msg_iovlen = space.size();
    const ssize_t count = ::recvmsg(socket_, &message, MSG_DONTWAIT);
    if (count > 0) {
        return {Status::Done, static_cast<std::size_t>(count)};
    }
    wants_room_ = false;
    return {count == 0 ? Status::Ended : is_not_now() ? Status::NotNow : Status::Broken, 0};
}

Wire::Moved Wire::send(std::span<const iovec> pieces) {
    if (tls_) {
        return send_tls(pieces);
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    for (;;) {
        const ssize_t count = ::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            return {Status::Done, static_cast<std::size_t>(count)};
        }
        if (errno != EINTR) {
            wants_room_ = true;
            return {errno == EAGAIN ? Status::NotNow : Status::Broken, 0};
        }
    }
}

bool Wire::holds_bytes() const {
    return tls_ && SSL_has_pending(tls_.get()) == 1;
}

bool Wire::start_tls(const TlsContext& context) {
    REQUIRE(!tls_);
    ERR_clear_error();
    tls_.reset(context.new_connection());
    BIO* bio = tls_ ? new_bio(socket_) : nullptr;
    if (bio == nullptr) {
        tls_.reset();
        return false;
    }
    SSL_set_bio(tls_.get(), bio, bio);
    staged_.reserve(kRecordBytes);
    return true;
}

Wire::Status Wire::shake_hands() {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    return result == 1 ? Status::Done : status_of(result);
}

std::string Wire::client() const {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(tls_.get()), &X509_free);
    if (!certificate) {
        return "a client with a shared key";
    }
    char subject[256] = {};
    X509_NAME_oneline(X509_get_subject_name(certificate.get()), subject, sizeof subject);
    return std::string("the client of certificate ") + subject;
}

// What has come is given away before it is told that nothing more comes.
Wire::Moved Wire::receive_tls(std::span<iovec> space) {
    std::size_t total = 0;
    for (const iovec& piece : space) {
        std::size_t filled = 0;
        while (filled < piece.iov_len) {
            ERR_clear_error();
            std::size_t count = 0;
            const int result = SSL_read_ex(tls_.get(),
                                           static_cast<unsigned char*>(piece.iov_base) + filled,
                                           piece.iov_len - filled,
                                           &count);
            if (result != 1) {
                const Status status = status_of(result);
                return total > 0 ? Moved{Status::Done, total} : Moved{status, 0};
            }
            filled += count;
            total += count;
        }
    }
    return {Status::Done, total};
}

// One record after the other, each whole: TLS wants to see the same bytes until it has taken them.
Wire::Moved Wire::send_tls(std::span<const iovec> pieces) {
    if (staged_.empty()) {
        stage(pieces);
    }
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_write_ex(tls_.get(), staged_.data(), staged_.size(), &count);
    if (result != 1) {
        return {status_of(result), 0};
    }
    REQUIRE(count == staged_.size());
    staged_.clear();
    return {Status::Done, count};
}

void Wire::stage(std::span<const iovec> pieces) {
    for (const iovec& piece : pieces) {
        const auto* from = static_cast<const unsigned char*>(piece.iov_base);
        const std::size_t count = std::min(piece.iov_len, kRecordBytes - staged_.size());
        staged_.insert(staged_.end(), from, from + count);
    }
}

Wire::Status Wire::status_of(int result) {
    switch (SSL_get_error(tls_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            wants_room_ = false;
            return Status::NotNow;
        case SSL_ERROR_WANT_WRITE:
            wants_room_ = true;
            return Status::NotNow;
        case SSL_ERROR_ZERO_RETURN:
            return Status::Ended;
        default:
            break;
    }
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    problem_ = reason != nullptr ? reason : "the connection broke off";
    return Status::Broken;
}

// The wire is broken, or the handshake not over: then there is nobody to tell.
void Wire::end_tls() {
    if (tls_ && problem_.empty() && SSL_is_init_finished(tls_.get()) == 1) {
        ERR_clear_error();
        SSL_shutdown(tls_.get());
        ERR_clear_error();
    }
}

}  // namespace nbd
