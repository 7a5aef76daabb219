#include "torch/script_fixture.hpp"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <sstream>

#include "temp_dir.hpp"

namespace assay {

// Values that no two pixels or classes share, of both signs.
float ScriptFixture::weight(std::int64_t pixel, std::int64_t k) const {
  return static_cast<float>((pixel * 7 + k * 5) % 13 - 6) / 8 + static_cast<float>(k) / 64;
}
float ScriptFixture::bias(std::int64_t k) const {
  return 0.25f * static_cast<float>(k) - 0.5f;
}

void ScriptFixture::save(const std::filesystem::path& file) const {
  std::vector<float> weights, biases;
  for (std::int64_t pixel = 0; pixel < dim; ++pixel) {
    for (std::int64_t k = 0; k < classes; ++k) weights.push_back(weight(pixel, k));
  }
  for (std::int64_t k = 0; k < classes; ++k) biases.push_back(bias(k));
  const at::ScalarType stored = type == "half" ? at::kHalf : type == "double" ? at::kDouble : at::kFloat;
  const auto tensor = [&](std::vector<float>& values, at::IntArrayRef sizes) {
    return at::from_blob(values.data(), sizes, at::TensorOptions().dtype(at::kFloat)).clone().to(stored);
  };

  torch::jit::Module module("Fixture");
  module.register_parameter("weight", tensor(weights, {dim, classes}), false);
  module.register_parameter("bias", tensor(biases, {classes}), false);
  module.register_buffer("calls", at::zeros({1}));
  if (training) module.register_attribute("training", c10::BoolType::get(), *training);
  std::string source =
      "def linear(self, x):\n    return x.flatten(1).matmul(self.weight) + self.bias\n"
      "def " +
      method + "(self, " + inputs + "):\n";
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) source += "    " + line + "\n";
  module.define(source);
  module.save(file.string());
}

void save_checkpoint(const std::filesystem::path& file) {
  c10::Dict<std::string, at::Tensor> state;
  state.insert("weight", at::zeros({2, 2}));
  const std::vector<char> bytes = torch::jit::pickle_save(state);
  write_file(file, {bytes.data(), bytes.size()});
}

void save_archive(const std::filesystem::path& file, const std::vector<std::string>& records) {
  caffe2::serialize::PyTorchStreamWriter writer(file.string());
  for (const std::string& record : records) writer.writeRecord(record, "x", 1);
  writer.writeEndOfFile();
}

DataSet synthetic_data(std::int64_t n, std::int64_t c, std::int64_t side, int classes) {
  DataSet data;
  data.name = "synthetic";
  data.n = n;
  data.c = c;
  data.h = data.w = side;
  data.classes = classes;
  data.classes_known = true;
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < n * data.dim(); ++i) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' generator; its high bits suffice here
    data.floats.push_back(static_cast<float>(state >> 8) / 16777216.f);
  }
  for (std::int64_t i = 0; i < n; ++i) data.labels.push_back(static_cast<std::uint16_t>(i % classes));
  return data;
}

}  // namespace assay
