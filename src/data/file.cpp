#include "data/file.hpp"

#include <fmt/format.h>

#include <system_error>

#include "assay/core/error.hpp"

namespace assay {
namespace fs = std::filesystem;

InputFile::InputFile(const fs::path& path) : path_(path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) fail("does not exist");
  if (status.type() == fs::file_type::none) fail("cannot be read: " + error.message());
  // A pipe or a device has no size to hold a header against.
  if (status.type() != fs::file_type::regular) fail("is not a regular file");
  size_ = left_ = fs::file_size(path, error);
  if (!error) in_.open(path, std::ios::binary);
  if (error || !in_) fail("cannot be opened for reading");
}

std::size_t InputFile::read(void* into, std::size_t bytes) {
  in_.read(static_cast<char*>(into), static_cast<std::streamsize>(bytes));
  if (in_.bad()) fail(fmt::format("cannot be read: input error after {} of {} bytes", size_ - left_, size_));
  const auto got = static_cast<std::size_t>(in_.gcount());
  left_ -= got < left_ ? got : left_;
  return got;
}

void InputFile::read_exactly(void* into, std::size_t bytes) {
  const std::size_t got = read(into, bytes);
  if (got != bytes) fail(fmt::format("ends early: found {} more bytes, expected {}", got, bytes));
}

void InputFile::fail(const std::string& problem, const std::string& hint) const {
  throw Error(ExitCode::input, "'" + path_.string() + "' " + problem, hint);
}

void require_folder(const fs::path& path, const std::string& holds) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return;
  throw Error(ExitCode::input, fmt::format("'{}' {}; expected a folder that holds {}", path.string(),
                                           fs::exists(status) ? "is not a folder" : "does not exist", holds));
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string clean;
  for (const char c : text.substr(0, limit)) clean += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > limit ? clean + "..." : clean;
}

}  // namespace assay
