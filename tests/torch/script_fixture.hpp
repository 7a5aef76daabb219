#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "assay/source.hpp"
#include "assay/sweep.hpp"

// Makes model files at test time. No torch in here, so that tests compile fast.
namespace assay {

/// A TorchScript module with `weight` (dim x classes), `bias` (classes), the buffer `calls` (a zero) and a method
/// linear(x); its forward is linear too unless `body` says otherwise.
struct ScriptFixture {
  std::string body = "return self.linear(x)";  ///< lines of forward, without indentation
  std::int64_t dim = 16, classes = 3;
  std::string type = "float";         ///< of the parameters: float, half, double
  std::optional<bool> training = {};  ///< an attribute that forward may read
  std::string inputs = "x";
  std::string method = "forward";

  float weight(std::int64_t pixel, std::int64_t k) const;
  float bias(std::int64_t k) const;
  void save(const std::filesystem::path& file) const;
};

inline ModelSpec model_spec(std::string name, std::filesystem::path path) {
  ModelSpec spec;
  spec.name = std::move(name);
  spec.path = std::move(path);
  return spec;
}

/// What torch.save(model.state_dict()) writes.
void save_checkpoint(const std::filesystem::path& file);
/// A PyTorch archive of these records, each with one byte.
void save_archive(const std::filesystem::path& file, const std::vector<std::string>& records);

/// n float images C x H x W in [0, 1) from a fixed sequence, labels 0, 1, .. classes - 1, 0, ..
DataSet synthetic_data(std::int64_t n, std::int64_t c, std::int64_t side, int classes);

}  // namespace assay
