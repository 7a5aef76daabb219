// torchvision's ImageFolder (datasets/folder.py, as of 0.26), of PNG and JPEG: DIR/CLASS/**. Unlike its default loader,
// images are turned as their EXIF orientation says.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "assay/core/error.hpp"
#include "assay/source.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "data/file.hpp"
#include "data/image.hpp"
#include "data/resample.hpp"

namespace assay {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kLongestSide = 16384, kMostClasses = 65536;
/// Decoded images that are kept for the next time, as every cell of a sweep asks for them again.
constexpr std::int64_t kKeptBytes = std::int64_t{2} << 30;

struct Item {
  std::string file;  ///< below the root
  std::uint16_t label = 0;
  std::int64_t size = -1, changed = 0;  ///< in bytes, and when, in ns
  std::string sha256 = {};
  std::int64_t h = 0, w = 0;
  bool whole = false;       ///< all of it was decoded once
  std::string damage = {};  ///< what is wrong with it; empty: nothing that was seen
};

constexpr char kSkip[] = "replace it, or leave out what is damaged: skip_damaged=true";

[[noreturn]] void refuse(const std::string& problem, const std::string& hint = {}) {
  throw Error(ExitCode::input, problem, hint);
}

/// Calls work(i) for all i below n, on all threads; throws what the first of those that threw did.
template <class Work>
void for_all(std::int64_t n, const Work& work) {
  std::exception_ptr thrown;
  std::int64_t first = n;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < n; ++i) {
    try {
      work(i);
    } catch (...) {
#pragma omp critical(assay_folder)
      if (i < first) {
        first = i;
        thrown = std::current_exception();
      }
    }
  }
  if (thrown) std::rethrow_exception(thrown);
}

std::string content(const fs::path& path) {
  InputFile file(path);
  std::string bytes(static_cast<std::size_t>(file.size()), '\0');
  file.read_exactly(bytes.data(), bytes.size());
  return bytes;
}

std::vector<fs::directory_entry> entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> found;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) found.push_back(*it);
  if (error) refuse(fmt::format("'{}' cannot be read: {}", folder.string(), error.message()));
  return found;
}

using FilesByFolder = std::map<std::string, std::vector<std::string>>;

/// Adds the files in root/folder and below. Links are followed, as ImageFolder does; `above` are the folders that the
/// way led through.
void collect(const fs::path& root, const std::string& folder, std::vector<fs::path> above, FilesByFolder& found) {
  const fs::path place = fs::canonical(root / folder);
  if (std::ranges::find(above, place) != above.end())
    refuse(fmt::format("'{}' is a link to a folder that it lies in", (root / folder).string()));
  above.push_back(place);
  for (const fs::directory_entry& entry : entries(root / folder)) {
    const std::string name = entry.path().filename().string();
    std::error_code broken;
    if (entry.is_directory(broken))
      collect(root, folder + '/' + name, above, found);
    else
      found[folder].push_back(name);
  }
}

bool ends_with_any(std::string name, std::initializer_list<const char*> extensions) {
  std::ranges::transform(name, name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return std::ranges::any_of(extensions, [&](const char* extension) { return name.ends_with(extension); });
}

/// The images of a class, by folder and then by name, both compared as bytes.
std::vector<std::string> images_of(const fs::path& root, const std::string& name) {
  FilesByFolder found;
  collect(root, name, {}, found);
  std::vector<std::string> images;
  for (auto& [folder, files] : found) {
    std::ranges::sort(files);
    for (const std::string& file : files) {
      if (ends_with_any(file, {".png", ".jpg", ".jpeg"}))
        images.push_back(folder + '/' + file);
      else if (ends_with_any(file, {".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}))
        // Without it every later image would have another index than in ImageFolder.
        refuse(fmt::format("'{}' is of a format that ImageFolder reads and assay does not; expected PNG or JPEG",
                           (root / folder / file).string()),
               "convert it, or move it out of the folder");
    }
  }
  return images;
}

/// Labels by class: in alphabetical order, or by line of the file.
std::map<std::string, std::uint16_t> labels_of(const std::vector<std::string>& classes, const fs::path& root,
                                               const fs::path& names, bool allow_empty) {
  std::map<std::string, std::uint16_t> labels;
  if (names.empty()) {
    for (const std::string& name : classes) labels.emplace(name, static_cast<std::uint16_t>(labels.size()));
    return labels;
  }
  std::istringstream lines(content(names));
  const auto fail = [&](const std::string& problem) {
    refuse(fmt::format("'{}', line {}: {}", names.string(), labels.size() + 1, problem));
  };
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) fail("is empty; expected the name of a class folder");
    if (labels.size() == kMostClasses) fail(fmt::format("expected at most {} classes", kMostClasses));
    if (!labels.emplace(line, static_cast<std::uint16_t>(labels.size())).second)
      fail(fmt::format("names the class '{}' a second time", printable(line)));
  }
  for (const std::string& name : classes)
    if (!labels.contains(name))
      refuse(fmt::format("'{}' is a class that '{}' does not name", (root / name).string(), names.string()),
             did_you_mean(name, keys(labels)));
  for (const auto& [name, label] : labels)
    if (!allow_empty && std::ranges::find(classes, name) == classes.end())
      refuse(fmt::format("'{}' names the class '{}' in line {}; found no such folder in '{}'", names.string(),
                         printable(name), label + 1, root.string()),
             "where the data have only some of the classes: allow_empty=true");
  return labels;
}

/// Where what is known of a folder's files is kept, so that only those of another size or time are read again; empty:
/// nowhere.
fs::path cache_of(const fs::path& root) {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  fs::path base;
  if (cache != nullptr && *cache == '/')
    base = cache;
  else if (home != nullptr && *home == '/')
    base = fs::path(home) / ".cache";
  return base.empty() ? base : base / "assay/folder" / sha256(root.string());
}

constexpr char kCacheTitle[] = "assay folder 1\n";

/// The items of a cache by file; none where it is absent, damaged or of another version.
std::map<std::string, Item> read_cache(const fs::path& place) {
  std::map<std::string, Item> known;
  std::ifstream in(place, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  const std::string text = std::move(all).str();
  const std::size_t digest = text.find('\n') + 1, begin = text.find('\n', digest) + 1;
  if (!text.starts_with(kCacheTitle) || begin == 0) return known;
  if (text.substr(digest, begin - 1 - digest) != sha256(text.substr(begin))) return known;
  std::istringstream lines(text.substr(begin));
  for (Item item; lines >> item.size >> item.changed >> item.h >> item.w >> item.whole >> item.sha256;) {
    lines.ignore();
    std::getline(lines, item.file);
    known.emplace(item.file, item);
  }
  return known;
}

/// A cache that cannot be written is none.
void write_cache(const fs::path& place, const std::vector<Item>& items) {
  std::string text;
  for (const Item& item : items)
    if (item.damage.empty() && item.file.find('\n') == std::string::npos)
      text += fmt::format("{} {} {} {} {:d} {} {}\n", item.size, item.changed, item.h, item.w, item.whole, item.sha256,
                          item.file);
  text = kCacheTitle + sha256(text) + '\n' + text;
  std::error_code error;
  fs::create_directories(place.parent_path(), error);
  std::string temporary = place.string() + ".XXXXXX";
  const int file = ::mkstemp(temporary.data());
  if (file < 0) return;
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(file);
  if (written) fs::rename(temporary, place, error);
  if (!written || error) fs::remove(temporary, error);
}

/// Fills in an item: as the cache has it, where its size and time are those, else from the file. With `whole`, its
/// pixels are looked at too. Returns whether the file was read.
bool inspect(const fs::path& root, const std::map<std::string, Item>& known, bool whole, Item& item) {
  const fs::path path = root / item.file;
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) {
    item.size = info.st_size;
    item.changed = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  }
  const auto there = known.find(item.file);
  if (there != known.end() && there->second.size == item.size && there->second.changed == item.changed &&
      there->second.whole >= whole) {
    const std::uint16_t label = item.label;
    item = there->second;
    item.label = label;
    return false;
  }
  const std::string bytes = content(path);
  item.sha256 = sha256(bytes);
  try {
    const RgbImage image = whole ? decode_image(bytes, path) : image_size(bytes, path);
    item.h = image.h;
    item.w = image.w;
    item.whole = whole;
  } catch (const Error& error) {
    item.damage = error.what();
  }
  return true;
}

/// The images themselves, decoded when they are asked for.
class Images {
 public:
  Images(fs::path root, fs::path cache, std::vector<Item> items, const Resample& steps, std::int64_t dim)
      : root_(std::move(root)),
        cache_(std::move(cache)),
        items_(std::move(items)),
        steps_(steps),
        dim_(dim),
        kept_(items_.size()) {}

  void read(std::int64_t lo, std::int64_t hi, std::uint8_t* out) {
    for_all(hi - lo, [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(lo + i);
      std::uint8_t* const to = out + i * dim_;
      if (!kept_[at].empty()) {
        std::ranges::copy(kept_[at], to);
        return;
      }
      decode(items_[at], to);
      if (room_.fetch_sub(dim_) >= dim_) kept_[at].assign(to, to + dim_);
    });
  }

 private:
  /// To planes. What the data set's digest stands for is what is decoded, or nothing.
  void decode(const Item& item, std::uint8_t* out) const {
    const fs::path path = root_ / item.file;
    const std::string bytes = content(path);
    if (const std::string found = sha256(bytes); found != item.sha256)
      refuse(
          fmt::format("'{}' has SHA-256 {}; expected {}, as when it was read first", path.string(), found, item.sha256),
          cache_.empty()
              ? "run again"
              : "run again; where its size and time are still the same, remove '" + cache_.string() + "' before");
    RgbImage image;
    try {
      image = resampled(decode_image(bytes, path), steps_);
    } catch (const Error& error) {
      refuse(error.what(), kSkip);
    }
    const std::int64_t plane = image.h * image.w;
    for (std::int64_t i = 0; i < plane; ++i)
      for (std::int64_t c = 0; c < 3; ++c) out[c * plane + i] = image.pixels[static_cast<std::size_t>(3 * i + c)];
  }

  fs::path root_, cache_;
  std::vector<Item> items_;
  Resample steps_;
  std::int64_t dim_;
  std::vector<std::vector<std::uint8_t>> kept_;
  std::atomic<std::int64_t> room_ = kKeptBytes;
};

/// All images, their labels filled in, nothing else.
std::vector<Item> list(const fs::path& root, const Params& options, std::size_t& classes) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries(root))
    if (std::error_code broken; entry.is_directory(broken)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  if (names.empty() || names.size() > static_cast<std::size_t>(kMostClasses))
    refuse(fmt::format("'{}' holds {} folders; expected one for each class, at most {}", root.string(), names.size(),
                       kMostClasses));
  const bool allow_empty = bool_param(options, "allow_empty");
  const auto labels = labels_of(names, root, text_param(options, "classes"), allow_empty);
  classes = labels.size();
  std::vector<Item> items;
  for (const std::string& name : names) {
    const std::vector<std::string> images = images_of(root, name);
    if (images.empty() && !allow_empty)
      refuse(fmt::format("'{}' holds no images; expected files named *.png, *.jpg or *.jpeg", (root / name).string()),
             "where the data have only some of the classes: allow_empty=true");
    for (const std::string& image : images) items.push_back({.file = image, .label = labels.at(name)});
  }
  return items;
}

DataSet load_folder(const fs::path& root, const Params& options) {
  require_folder(root, "a folder of images for each class");
  const Resample steps{integer_param(options, "resize"), integer_param(options, "crop")};
  const bool skip_damaged = bool_param(options, "skip_damaged");
  std::size_t classes = 0;
  std::vector<Item> items = list(root, options, classes);

  const fs::path cache = cache_of(root);
  const std::map<std::string, Item> known = read_cache(cache);
  std::atomic<bool> news = false;
  for_all(static_cast<std::int64_t>(items.size()), [&](std::int64_t i) {
    if (inspect(root, known, skip_damaged, items[static_cast<std::size_t>(i)])) news = true;
  });
  if (news && !cache.empty()) write_cache(cache, items);

  DataSet data;
  for (const Item& item : items) {
    if (item.damage.empty()) continue;
    if (!skip_damaged) refuse(item.damage, kSkip);
    data.left_out.push_back(item.damage);
  }
  std::erase_if(items, [](const Item& item) { return !item.damage.empty(); });

  Sha256 sum;
  for (const Item& item : items) {
    const RgbImage size = resampled_size(item.h, item.w, steps);
    if (data.n == 0) {
      data.h = size.h;
      data.w = size.w;
    }
    if (size.h != data.h || size.w != data.w)
      refuse(fmt::format("'{}' is {} x {} (W x H){}, but '{}' {} x {}; expected images of one size",
                         (root / item.file).string(), size.w, size.h, steps.shorter > 0 ? " when resized" : "",
                         items.front().file, data.w, data.h),
             "add resize and crop to the source, such as folder:DIR,resize=256,crop=224");
    if (size.w > kMostPixels / size.h)
      refuse(fmt::format("'{}' has {} x {} pixels (W x H) when resized; expected at most {} in all",
                         (root / item.file).string(), size.w, size.h, kMostPixels));
    sum.update(fmt::format("{} {} {}", item.label, item.sha256, item.file)).update("\0", 1);
    data.labels.push_back(item.label);
    ++data.n;
  }
  data.c = 3;
  data.classes = static_cast<int>(classes);
  data.classes_known = true;
  data.sha256 = sha256(fmt::format("folder {} x 3 x {} x {}, {} classes, resize {}, crop {}\n{}", data.n, data.h,
                                   data.w, classes, steps.shorter, steps.crop, sum.hex()));
  const auto images = std::make_shared<Images>(root, cache, std::move(items), steps, data.dim());
  data.read = [images](std::int64_t lo, std::int64_t hi, std::uint8_t* out) { images->read(lo, hi, out); };
  return data;
}

}  // namespace

ASSAY_SOURCE("folder",
             .about =
                 "folder:DIR, PNG and JPEG in a folder a class, as torchvision's ImageFolder, to 3 channels; options "
                 "follow as folder:DIR,resize=256,crop=224",
             .options =
                 {
                     {.name = "allow_empty",
                      .type = ParamType::boolean,
                      .about = "classes may be without images",
                      .fallback = false},
                     {.name = "classes",
                      .type = ParamType::text,
                      .about = "file with the name of a class folder a line, whose number, from 0, is its label",
                      .fallback = "",
                      .default_rule = {},
                      .file = true},
                     {.name = "crop",
                      .type = ParamType::integer,
                      .about = "side of the square cut out of the middle; 0: none",
                      .fallback = std::int64_t{0},
                      .min = 0,
                      .max = kLongestSide},
                     {.name = "resize",
                      .type = ParamType::integer,
                      .about = "length of the shorter side, bilinear, before the crop; 0: as it is",
                      .fallback = std::int64_t{0},
                      .min = 0,
                      .max = kLongestSide},
                     {.name = "skip_damaged",
                      .type = ParamType::boolean,
                      .about = "leave out images that are damaged",
                      .fallback = false},
                 },
             .load = load_folder);

}  // namespace assay
