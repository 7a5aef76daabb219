#include "core/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "assay/core/error.hpp"
#include "assay/core/philox.hpp"

namespace assay {

struct Sha256::Context {
  EVP_MD_CTX* ctx = EVP_MD_CTX_new();
  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(ctx); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  EVP_DigestInit_ex(context_->ctx, EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;

Sha256& Sha256::update(const void* data, std::size_t bytes) {
  EVP_DigestUpdate(context_->ctx, data, bytes);
  return *this;
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context_->ctx, digest.data(), nullptr);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256(std::string_view text) {
  return Sha256().update(text).hex();
}

std::string sha256_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  Sha256 sum;
  std::vector<char> block(1 << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    sum.update(block.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof()) throw Error(ExitCode::input, "cannot read '" + file.string() + "': " + std::strerror(errno));
  return sum.hex();
}

std::uint32_t stream_id(const char* kind, const char* name, int level, int target, const char* purpose) {
  const std::string text = std::string(kind) + '/' + name + '/' + std::to_string(level) + '/' +
                           (target < 0 ? "-" : std::to_string(target)) + '/' + purpose;
  return static_cast<std::uint32_t>(std::stoul(sha256(text).substr(0, 8), nullptr, 16));
}

}  // namespace assay
