#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace assay {

/// A regular file open for reading. Its size is known from the start, so that what a header announces can be held
/// against it before memory is taken. All members throw assay::Error (exit 65), which names the file.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Bytes between the reading position and the end.
  std::uint64_t left() const { return left_; }

  /// Returns how many bytes it read: fewer than asked for only at the file's end.
  std::size_t read(void* into, std::size_t bytes);
  void read_exactly(void* into, std::size_t bytes);

  /// Throws: "'path' " followed by `problem`.
  [[noreturn]] void fail(const std::string& problem, const std::string& hint = {}) const;

 private:
  std::filesystem::path path_;
  std::ifstream in_;
  std::uint64_t size_ = 0, left_ = 0;
};

/// Throws (exit 65) unless `path` is a folder; `holds` says what is expected in it.
void require_folder(const std::filesystem::path& path, const std::string& holds);

/// Text from a file made fit for a message: no control characters, and cut where it is long.
std::string printable(std::string_view text, std::size_t limit = 80);

}  // namespace assay
