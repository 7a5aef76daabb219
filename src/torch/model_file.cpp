#include "torch/model_file.hpp"

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

#include "assay/core/error.hpp"
#include "core/sha256.hpp"
#include "core/text.hpp"
#include "torch/script_model.hpp"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr char kExport[] = "export the model in Python: torch.jit.script(model.eval()).save(\"model.pt\")";
constexpr char kExportWeights[] =
    "the file holds weights without code; in Python: model.load_state_dict(torch.load(\"model.pth\")); "
    "torch.jit.script(model.eval()).save(\"model.pt\")";

/// Formats that are told apart by how they begin.
struct Magic {
  std::string_view begins, format, hint;
};
constexpr Magic kMagics[] = {
    {"version https://git-lfs", "a Git LFS pointer instead of the file itself", "fetch the file: git lfs pull"},
    {"<!DOCTYPE", "a web page", "the download gave a page instead of the file: download it again"},
    {"<html", "a web page", "the download gave a page instead of the file: download it again"},
    {"\x89HDF\r\n", "an HDF5 file (Keras weights?)", kExport},
    {"\x7f"
     "ELF",
     "a compiled library", kExport},
    {"\x1f\x8b", "a gzip file", "unpack it first: gunzip"},
};

void check_readable(const ModelSpec& spec) {
  std::error_code ignored;
  const fs::file_status status = fs::status(spec.path, ignored);
  if (status.type() == fs::file_type::not_found) {
    reject_model(spec, "the file does not exist", "paths in a sweep are relative to its file");
  }
  if (status.type() == fs::file_type::directory) {
    reject_model(spec, "found a folder, expected a TorchScript file", "name the .pt file in it");
  }
  // Where the status itself can't be read, opening says why.
  if (fs::is_other(status) && status.type() != fs::file_type::unknown) {
    reject_model(spec, "found something that is not a regular file, expected a TorchScript file");
  }
  errno = 0;
  if (!std::ifstream(spec.path, std::ios::binary)) {
    reject_model(spec, "the file cannot be read: " + std::string(errno != 0 ? std::strerror(errno) : "unknown reason"));
  }
}

/// Eight bytes of header length, little-endian, then a JSON object (the safetensors README, "Format").
bool is_safetensors(std::string_view head, std::uintmax_t size) {
  if (head.size() < 9 || head[8] != '{') return false;
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(head[i]);
  return length >= 2 && length <= size - 8;
}

/// A ModelProto begins with field 1, the varint ir_version, which is small (onnx.proto). As that alone is only two
/// bytes, the text of a producer or the file's name must agree.
bool is_onnx(std::string_view head, const fs::path& path) {
  if (head.size() < 2 || head[0] != '\x08' || head[1] < 1 || head[1] > 32) return false;
  return path.extension() == ".onnx" || head.find("onnx") != head.npos || head.find("torch") != head.npos;
}

/// Pickle protocols 2 to 5; torch.save before 1.6 wrote them without a zip archive.
bool is_pickle(std::string_view head) {
  return head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

/// True where the zip archive's first entry (its name begins at byte 30, its length stands at 26) is in no folder,
/// while PyTorch keeps all records in one. Its reader would say so too, but leaks memory when it does.
bool is_flat_archive(std::string_view head) {
  if (head.size() < 30) return false;
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(head[i])}; };
  const std::size_t length = byte(26) | byte(27) << 8;
  return head.size() >= 30 + length && head.substr(30, length).find('/') == head.npos;
}

void check_archive(const ModelSpec& spec, std::string_view head, std::uintmax_t size) {
  constexpr char kForeign[] = "found a zip archive that PyTorch did not write, expected a TorchScript archive";
  if (is_flat_archive(head)) reject_model(spec, kForeign, kExport);
  std::vector<std::string> records;
  try {
    records = caffe2::serialize::PyTorchStreamReader(spec.path.string()).getAllRecords();
  } catch (const std::exception& e) {
    // A zip archive's directory is its end, at least 22 bytes, so a file that was cut off has none.
    if (size < 22 || std::string_view(e.what()).find("central directory") != std::string_view::npos) {
      reject_model(
          spec, "the zip archive is cut off or damaged (" + std::to_string(size) + " bytes, no directory at the end)",
          "copy or download the file again");
    }
    reject_model(spec, kForeign, kExport);
  }
  const auto has = [&](auto&& matches) { return std::any_of(records.begin(), records.end(), matches); };
  const auto named = [](const char* name) { return [name](const std::string& record) { return record == name; }; };
  const auto under = [](const char* folder) {
    return [folder](const std::string& record) { return record.starts_with(folder); };
  };
  if (has(named("constants.pkl")) && has(under("code/"))) return;
  if (has(named("archive_format")) || has(under("serialized_exported_program")) || has(under("data/aotinductor/"))) {
    reject_model(spec, "found a torch.export archive (.pt2), expected a TorchScript archive", kExport);
  }
  if (has(named("data.pkl"))) {
    reject_model(spec, "found a checkpoint of torch.save (pickled, no code), expected a TorchScript archive",
                 kExportWeights);
  }
  records.resize(std::min<std::size_t>(records.size(), 3));
  reject_model(spec,
               "found a zip archive with " + join(records) + ", expected a TorchScript archive (code/, constants.pkl)",
               kExport);
}

}  // namespace

std::string model_title(const ModelSpec& spec) {
  return "model '" + spec.name + "' (" + spec.path.string() + ")";
}

void reject_model(const ModelSpec& spec, const std::string& what, const std::string& hint) {
  throw Error(ExitCode::input, model_title(spec) + ": " + what, hint);
}

std::string model_digest(const ModelSpec& spec) {
  check_readable(spec);
  const std::string found = sha256_file(spec.path);
  if (!spec.sha256.empty() && found != spec.sha256) {
    reject_model(spec, "the file's SHA-256 is " + found + ", expected " + spec.sha256,
                 "the file is another one than the config was written for: fetch that one, or change its sha256");
  }
  return found;
}

void check_model_file(const ModelSpec& spec) {
  check_readable(spec);
  const std::uintmax_t size = fs::file_size(spec.path);
  std::string bytes(512, '\0');
  std::ifstream in(spec.path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  const std::string_view head = bytes;

  constexpr char kExpected[] = ", expected a TorchScript archive";
  if (head.empty()) reject_model(spec, std::string("the file is empty (0 bytes)") + kExpected, kExport);
  if (head.starts_with("PK\x03\x04")) return check_archive(spec, head, size);
  for (const Magic& magic : kMagics) {
    if (head.starts_with(magic.begins)) {
      reject_model(spec, "found " + std::string(magic.format) + kExpected, std::string(magic.hint));
    }
  }
  if (is_safetensors(head, size))
    reject_model(spec, std::string("found a safetensors file (weights only)") + kExpected, kExportWeights);
  if (is_pickle(head)) {
    reject_model(spec, std::string("found a checkpoint of torch.save (pickled, no code)") + kExpected, kExportWeights);
  }
  if (is_onnx(head, spec.path)) reject_model(spec, std::string("found an ONNX file") + kExpected, kExport);
  reject_model(spec, "found " + std::to_string(size) + " bytes of no known format" + kExpected, kExport);
}

}  // namespace assay
