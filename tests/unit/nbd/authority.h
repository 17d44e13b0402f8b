// Certificates for tests of TLS, made on the spot, and the folder that they are put into.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <sys/stat.h>

namespace test {

// A folder that goes with the test.
class Folder {
public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "nbd-tls.XXXXXX";
        path_ = ::mkdtemp(name.data());
    }

    ~Folder() { std::filesystem::remove_all(path_); }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string file(const std::string& name) const { return path_ / name; }

    std::string put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::ofstream(file(name)) << text;
        ::chmod(file(name).c_str(), mode);
        return file(name);
    }

    std::string path() const { return path_; }

private:
    std::filesystem::path path_;
};

struct Pem {
    std::string certificate;
    std::string key;
};

// Vouches for others, itself vouched for by nobody.
class Authority {
public:
    explicit Authority(const std::string& name = "authority")
        : key_(new_key()), certificate_(make(name, key_.get(), nullptr, nullptr)) {}

    std::string certificate() const { return text_of(certificate_.get()); }

    Pem issue(const std::string& name) const {
        const Key key = new_key();
        const Certificate made = make(name, key.get(), certificate_.get(), key_.get());
        return {text_of(made.get()), text_of(key.get())};
    }

    // As a server and its clients want them.
    void furnish_server(const Folder& folder) const {
        const Pem own = issue("server");
        folder.put("ca-cert.pem", certificate(), 0644);
        folder.put("server-cert.pem", own.certificate, 0644);
        folder.put("server-key.pem", own.key, 0600);
    }

private:
    using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
    using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

    static Key new_key() { return {EVP_EC_gen("P-256"), &EVP_PKEY_free}; }

    static Certificate make(const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* by) {
        static long serial = 0;
        Certificate made(X509_new(), &X509_free);
        X509_set_version(made.get(), X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
        X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
        X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
        X509_set_pubkey(made.get(), key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()),
                                   "CN",
                                   MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(name.c_str()),
                                   -1,
                                   -1,
                                   0);
        X509_set_issuer_name(made.get(), X509_get_subject_name(issuer ? issuer : made.get()));
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer ? issuer : made.get(), made.get(), nullptr, nullptr, 0);
        X509_EXTENSION* basic = X509V3_EXT_conf_nid(
            nullptr, &context, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
        X509_add_ext(made.get(), basic, -1);
        X509_EXTENSION_free(basic);
        X509_sign(made.get(), by ? by : key, EVP_sha256());
        return made;
    }

    template <typename Write>
    static std::string text_written_by(Write&& write) {
        BIO* bio = BIO_new(BIO_s_mem());
        write(bio);
        char* data = nullptr;
        const long length = BIO_get_mem_data(bio, &data);
        std::string text(data, static_cast<std::size_t>(length));
        BIO_free(bio);
        return text;
    }

    static std::string text_of(X509* certificate) {
        return text_written_by([=](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
    }

    static std::string text_of(EVP_PKEY* key) {
        return text_written_by([=](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
        });
    }

    Key key_;
    Certificate certificate_;
};

}  // namespace test
