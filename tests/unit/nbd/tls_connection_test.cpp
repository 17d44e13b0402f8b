// A connection that has to use TLS, with OpenSSL's client at the other end of a socket pair.
#include "nbd-backend/connection.h"
#include "tests/unit/nbd/authority.h"
#include "tests/unit/nbd/memory_device.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

namespace asio = boost::asio;

using Octets = std::vector<std::uint8_t>;

const std::string kAlicesKey = "00112233445566778899aabbccddeeff";
constexpr std::uint32_t kYes = 1, kNotHere = 0x80000002, kNotNow = 0x80000003,
                        kTlsFirst = 0x80000005;

class Lines : public base::LogSink {
public:
    void write(base::LogLevel, std::string_view line) override { text += std::string(line) + "\n"; }

    std::string text;
};

// How the client proves itself, and whom it believes.
struct Proof {
    std::string name;  // with a shared key
    Octets key;
    std::string folder;  // with client-cert.pem and client-key.pem, or without
    int version = TLS1_3_VERSION;
};

class TlsClient {
public:
    TlsClient(int socket, const Proof& proof)
        : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free), tls_(nullptr, &SSL_free) {
        SSL_CTX_set_max_proto_version(context_.get(), proof.version);
        SSL_CTX_set_app_data(context_.get(), const_cast<Proof*>(&proof));
        if (!proof.name.empty()) {
            SSL_CTX_set_psk_client_callback(context_.get(), &give_key);
        }
        if (!proof.folder.empty()) {
            SSL_CTX_load_verify_file(context_.get(), (proof.folder + "/ca-cert.pem").c_str());
            SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
            const std::string own = proof.folder + "/client-cert.pem";
            if (::access(own.c_str(), F_OK) == 0) {
                SSL_CTX_use_certificate_file(context_.get(), own.c_str(), SSL_FILETYPE_PEM);
                SSL_CTX_use_PrivateKey_file(
                    context_.get(), (proof.folder + "/client-key.pem").c_str(), SSL_FILETYPE_PEM);
            }
        }
        tls_.reset(SSL_new(context_.get()));
        SSL_set_fd(tls_.get(), socket);
        SSL_set_connect_state(tls_.get());
    }

    ssl_st* get() { return tls_.get(); }

private:
    static unsigned give_key(
        SSL* tls, const char*, char* name, unsigned name_room, unsigned char* key, unsigned room) {
        const auto* proof = static_cast<const Proof*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls)));
        if (proof->name.size() + 1 > name_room || proof->key.size() > room) {
            return 0;
        }
        std::memcpy(name, proof->name.c_str(), proof->name.size() + 1);
        std::memcpy(key, proof->key.data(), proof->key.size());
        return static_cast<unsigned>(proof->key.size());
    }

    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> tls_;
};

class NbdTls : public testing::Test {
protected:
    void SetUp() override {
        authority_.furnish_server(server_);
        for (const test::Folder* folder : {&client_, &stranger_, &nobody_}) {
            folder->put("ca-cert.pem", authority_.certificate());
        }
        furnish(client_, authority_);
        furnish(stranger_, other_authority_);
        server_.put("keys", "alice:" + kAlicesKey + "\n");
        tls_ = context({server_.path(), server_.file("keys")});
        connect();
    }

    void TearDown() override {
        hang_up();
        EXPECT_EQ(device_.users(), 0);
        EXPECT_EQ(device_.memory().outstanding(), 0u);
    }

    static std::shared_ptr<const nbd::TlsContext> context(const nbd::TlsFiles& files) {
        auto loaded = nbd::TlsContext::load(files);
        EXPECT_TRUE(loaded.has_value()) << loaded.error().text;
        return *loaded;
    }

    static void furnish(const test::Folder& folder, const test::Authority& authority) {
        const test::Pem own = authority.issue("client");
        folder.put("client-cert.pem", own.certificate);
        folder.put("client-key.pem", own.key);
    }

    void connect() {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        socket_ = ends[0];
        nbd::ConnectionOptions options;
        options.tls = tls_;
        connection_ =
            std::make_shared<nbd::Connection>(io_,
                                              asio::posix::stream_descriptor(io_, ends[1]),
                                              "test",
                                              device_,
                                              options,
                                              log_,
                                              nbd::ConnectionHooks{});
        connection_->start();
        settle();
        EXPECT_EQ(receive(18).size(), 18u);  // the greeting
        send({0, 0, 0, 3});
    }

    void hang_up() {
        secure_.reset();
        ::close(socket_);
        settle();
        connection_->abort();
        settle();
        connection_.reset();
    }

    // All that can happen now has happened.
    void settle() {
        io_.restart();
        while (io_.poll() > 0) {
        }
    }

    // True if the handshake of TLS came to a good end, and the server goes on.
    bool secure(const Proof& proof) {
        EXPECT_EQ(ask(5), kYes);
        secure_ = std::make_unique<TlsClient>(socket_, proof);
        for (int turn = 0; turn < 20; ++turn) {
            if (SSL_do_handshake(secure_->get()) == 1) {
                settle();  // the server may still say no
                std::uint8_t byte = 0;
                const int got = SSL_peek(secure_->get(), &byte, 1);
                return SSL_get_error(secure_->get(), got) == SSL_ERROR_WANT_READ;
            }
            if (SSL_want(secure_->get()) != SSL_READING) {
                return false;
            }
            settle();
        }
        return false;
    }

    // The server has closed; what it said before that does not count.
    bool at_end() {
        std::uint8_t bytes[4096];
        ssize_t count = 0;
        do {
            count = ::recv(socket_, bytes, sizeof bytes, 0);
        } while (count > 0);
        return count == 0 || errno == ECONNRESET;
    }

    void send(const Octets& bytes) {
        std::size_t done = 0;
        for (int turn = 0; done < bytes.size() && turn < 10'000; ++turn) {
            std::size_t count = 0;
            if (secure_) {
                SSL_write_ex(secure_->get(), bytes.data() + done, bytes.size() - done, &count);
            } else {
                const ssize_t sent = ::send(socket_, bytes.data() + done, bytes.size() - done, 0);
                count = sent > 0 ? static_cast<std::size_t>(sent) : 0;
            }
            done += count;
            settle();
        }
        EXPECT_EQ(done, bytes.size());
    }

    Octets receive(std::size_t bytes) {
        Octets out(bytes);
        std::size_t done = 0;
        for (int turn = 0; done < bytes && turn < 10'000; ++turn) {
            std::size_t count = 0;
            if (secure_) {
                SSL_read_ex(secure_->get(), out.data() + done, bytes - done, &count);
            } else {
                const ssize_t got = ::recv(socket_, out.data() + done, bytes - done, 0);
                count = got > 0 ? static_cast<std::size_t>(got) : 0;
            }
            done += count;
            settle();
        }
        out.resize(done);
        return out;
    }

    static Octets option(std::uint8_t number, const Octets& data = {}) {
        Octets out{'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, number, 0, 0, 0};
        out.push_back(static_cast<std::uint8_t>(data.size()));
        out.insert(out.end(), data.begin(), data.end());
        return out;
    }

    // The type of the last answer to an option; 0: none.
    std::uint32_t ask(std::uint8_t number, const Octets& data = {}) {
        send(option(number, data));
        for (;;) {
            const Octets head = receive(20);
            if (head.size() < 20) {
                return 0;
            }
            const std::uint32_t type = base::get_be32(head, 12);
            receive(base::get_be32(head, 16));
            if (type == kYes || type > 0x80000000) {
                return type;
            }
        }
    }

    static Octets request(std::uint16_t type, std::uint64_t offset, std::uint32_t length) {
        Octets out(28);
        base::put_be32(out, 0, 0x25609513);
        base::put_be16(out, 6, type);
        base::put_be64(out, 16, offset);
        base::put_be32(out, 24, length);
        return out;
    }

    const Proof shared_key_{"alice",
                            {0x00,
                             0x11,
                             0x22,
                             0x33,
                             0x44,
                             0x55,
                             0x66,
                             0x77,
                             0x88,
                             0x99,
                             0xaa,
                             0xbb,
                             0xcc,
                             0xdd,
                             0xee,
                             0xff},
                            "",
                            TLS1_3_VERSION};
    test::Authority authority_;
    test::Authority other_authority_{"other authority"};
    test::Folder server_, client_, stranger_, nobody_;
    asio::io_context io_;
    test::MemoryDevice device_{
        16 << 20, [this](std::function<void()> work) { asio::post(io_, std::move(work)); }};
    Lines log_;
    std::shared_ptr<const nbd::TlsContext> tls_;
    std::shared_ptr<nbd::Connection> connection_;
    std::unique_ptr<TlsClient> secure_;
    int socket_ = -1;
};

const Octets kDefaultExport{0, 0, 0, 0, 0, 0};

TEST_F(NbdTls, NothingIsSaidBeforeIt) {
    for (const std::uint8_t number : Octets{3, 6, 7, 8, 9, 10, 11, 4, 99}) {
        EXPECT_EQ(ask(number, kDefaultExport), kTlsFirst) << unsigned{number};
    }
    EXPECT_EQ(device_.users(), 0);
    send(option(1));  // EXPORT_NAME
    EXPECT_TRUE(at_end());
    hang_up();
    connect();
    EXPECT_EQ(ask(2), kYes);  // ABORT
    EXPECT_TRUE(at_end());
}

TEST_F(NbdTls, ASharedKeyOpens) {
    ASSERT_TRUE(secure(shared_key_)) << log_.text;
    EXPECT_EQ(ask(5), kNotNow);
    EXPECT_EQ(ask(7, kDefaultExport), kYes);
    EXPECT_EQ(device_.users(), 1);
    EXPECT_NE(log_.text.find("TLS with a client with a shared key"), log_.text.npos);
}

TEST_F(NbdTls, ACertificateOpens) {
    ASSERT_TRUE(secure({"", {}, client_.path(), TLS1_3_VERSION})) << log_.text;
    EXPECT_EQ(ask(7, kDefaultExport), kYes);
    EXPECT_NE(log_.text.find("certificate /CN=client"), log_.text.npos) << log_.text;
}

TEST_F(NbdTls, NothingElseDoes) {
    Proof wrong_key = shared_key_;
    wrong_key.key.back() ^= 1;
    Proof unknown_name = shared_key_;
    unknown_name.name = "mallory";
    Proof old = {"", {}, client_.path(), TLS1_2_VERSION};
    Proof old_key = shared_key_;
    old_key.version = TLS1_2_VERSION;
    const std::vector<std::pair<const char*, Proof>> rows{
        {"another key", wrong_key},
        {"another name", unknown_name},
        {"no certificate", {"", {}, nobody_.path(), TLS1_3_VERSION}},
        {"nothing at all", {"", {}, "", TLS1_3_VERSION}},
        {"a certificate of somebody else's authority", {"", {}, stranger_.path(), TLS1_3_VERSION}},
        {"TLS 1.2", old},
        {"TLS 1.2 with a key", old_key},
    };
    for (const auto& [name, proof] : rows) {
        SCOPED_TRACE(name);
        EXPECT_FALSE(secure(proof));
        EXPECT_TRUE(at_end());
        EXPECT_EQ(device_.users(), 0);
        hang_up();
        connect();
    }
}

// The server does not show a certificate that it has not, and takes none for a key.
TEST_F(NbdTls, WithKeysAloneNoCertificateOpens) {
    hang_up();
    tls_ = context({"", server_.file("keys")});
    connect();
    EXPECT_FALSE(secure({"", {}, client_.path(), TLS1_3_VERSION}));
    hang_up();
    connect();
    EXPECT_TRUE(secure(shared_key_)) << log_.text;
}

TEST_F(NbdTls, WithCertificatesAloneNoKeyOpens) {
    hang_up();
    tls_ = context({server_.path(), ""});
    connect();
    EXPECT_FALSE(secure(shared_key_));
    hang_up();
    connect();
    EXPECT_TRUE(secure({"", {}, client_.path(), TLS1_3_VERSION})) << log_.text;
}

// Whoever is on the way could have put them there.
TEST_F(NbdTls, BytesBehindStartTlsEndTheConnection) {
    Octets both = option(5);
    const Octets go = option(7, kDefaultExport);
    both.insert(both.end(), go.begin(), go.end());
    send(both);
    receive(20);
    EXPECT_TRUE(at_end());
    EXPECT_NE(log_.text.find("bytes behind STARTTLS"), log_.text.npos);
    EXPECT_EQ(device_.users(), 0);
}

TEST_F(NbdTls, WhatIsNoTlsEndsTheConnection) {
    EXPECT_EQ(ask(5), kYes);
    send(option(7, kDefaultExport));
    receive(100);  // an alert, perhaps
    EXPECT_TRUE(at_end());
    EXPECT_NE(log_.text.find("closing: TLS: "), log_.text.npos) << log_.text;
}

TEST_F(NbdTls, ClientsThatSayNothingAreNotWaitedForTwice) {
    EXPECT_EQ(ask(5), kYes);
    EXPECT_TRUE(connection_->negotiating());  // the deadline of the handshake goes on
    connection_->stop();
    settle();
    EXPECT_TRUE(at_end());
}

TEST_F(NbdTls, CarriesLargeRequestsAndManySmallOnes) {
    ASSERT_TRUE(secure(shared_key_)) << log_.text;
    ASSERT_EQ(ask(7, kDefaultExport), kYes);
    Octets data(3 << 20);
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::uint8_t>(i * 7 + i / 4096);
    }
    Octets write = request(1, 4096, static_cast<std::uint32_t>(data.size()));
    write.insert(write.end(), data.begin(), data.end());
    send(write);
    EXPECT_EQ(receive(16).size(), 16u);
    send(request(0, 4096, static_cast<std::uint32_t>(data.size())));
    receive(16);
    EXPECT_EQ(receive(data.size()), data);

    // In one record: all but the first are with TLS when the socket is empty.
    Octets many;
    for (unsigned i = 0; i < 200; ++i) {
        const Octets one = request(0, 4096 + 512 * i, 512);
        many.insert(many.end(), one.begin(), one.end());
    }
    send(many);
    for (unsigned i = 0; i < 200; ++i) {
        receive(16);
        EXPECT_EQ(receive(512), Octets(data.begin() + 512 * i, data.begin() + 512 * (i + 1)));
    }
    send(request(2, 0, 0));
    std::uint8_t byte = 0;
    EXPECT_EQ(SSL_read(secure_->get(), &byte, 1), 0);
    EXPECT_EQ(SSL_get_error(secure_->get(), 0),
              SSL_ERROR_ZERO_RETURN);  // it says that this was all
}

TEST_F(NbdTls, AClientThatIsCutOffLeavesNothingBehind) {
    ASSERT_TRUE(secure(shared_key_)) << log_.text;
    ASSERT_EQ(ask(7, kDefaultExport), kYes);
    device_.frozen_ = true;
    send(request(3, 0, 0));
    EXPECT_EQ(device_.waiting(), 1u);
    ::shutdown(socket_, SHUT_RDWR);
    settle();
    device_.thaw();
    settle();
    EXPECT_EQ(device_.users(), 0);
}

// What was agreed on before may have been said by anybody.
TEST_F(NbdTls, NothingThatWasSaidBeforeCounts) {
    ASSERT_TRUE(secure(shared_key_)) << log_.text;
    EXPECT_EQ(ask(10, {0, 0, 0, 0, 0, 0, 0, 0}), kNotNow);  // no structured replies
    EXPECT_EQ(ask(8), kYes);
}

TEST_F(NbdTls, WhereThereIsNoneItIsRefused) {
    hang_up();
    tls_ = nullptr;
    connect();
    EXPECT_EQ(ask(5), kNotHere);
    EXPECT_EQ(ask(7, kDefaultExport), kYes);
}

}  // namespace
