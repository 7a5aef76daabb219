#include "engine/witness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "assay/core/buffer.hpp"
#include "assay/core/error.hpp"
#include "core/sha256.hpp"
#include "core/transfer.hpp"
#include "data/npy.hpp"
#include "engine/check_params.hpp"
#include "engine/config_tree.hpp"
#include "engine/store.hpp"

namespace assay {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Models may change their arithmetic below this many rows.
constexpr std::int64_t kFewestRows = 16;

/// Of the largest `eot`.
constexpr int kMostAsked = 10001;

constexpr char kDamaged[] = "write it again: the same `assay run --save-adversarials` or `assay attack`";

[[noreturn]] void refuse(const fs::path& file, const std::string& what, const char* hint = kDamaged) {
  throw Error(ExitCode::input, "'" + file.string() + "': " + what, hint);
}

/// A target that the attack's parameter does not mean would make another claim. What `second` and `least_likely` mean
/// only the model knows.
void check_targets(const fs::path& manifest, const Witnesses& w) {
  if (w.target.size() != w.index.size())
    refuse(manifest, fmt::format("found {} targets, expected {}", w.target.size(), w.index.size()));
  const Aim aim = aim_of(w.attack.params);
  const auto means = [&](int target, int label) {
    if (target >= w.classes || target == label) return false;
    if (aim.at == Aim::At::number) return target == aim.number;
    if (aim.at == Aim::At::next) return target == (label + 1) % w.classes;
    return static_cast<bool>(aim);
  };
  for (std::size_t i = 0; i < w.target.size(); ++i)
    if (!means(w.target[i], w.label[i]))
      refuse(manifest,
             fmt::format("found the target {} of image {} with label {}, expected {} of {} classes", w.target[i],
                         w.index[i], w.label[i], shown(w.attack.params.at("target")), w.classes));
}

void check(const fs::path& manifest, const Witnesses& w) {
  const std::size_t n = w.index.size();
  if (w.label.size() != n || w.prediction.size() != n || w.row.size() != n)
    refuse(manifest, fmt::format("found {} indices, {} labels, {} predictions and {} rows, expected as many of each", n,
                                 w.label.size(), w.prediction.size(), w.row.size()));
  if (w.norm != "linf" && w.norm != "l2" && w.norm != "l1")
    refuse(manifest, "found the norm '" + w.norm + "', expected linf, l2 or l1");
  if (!(w.epsilon >= 0) || !std::isfinite(w.epsilon))
    refuse(manifest, fmt::format("found the radius {}, expected a finite number from 0 on", w.epsilon));
  if (w.targeted()) check_targets(manifest, w);
  if (w.asked < 1 || w.asked > kMostAsked || w.asked % 2 == 0)
    refuse(manifest, fmt::format("found {} answers a witness, expected an odd number up to {}", w.asked, kMostAsked));
  for (const std::int64_t row : w.row)
    if (row < 0 || row >= w.shape[0])
      refuse(manifest, fmt::format("found the row {} of a file with {} points", row, w.shape[0]));
}

/// What is wrong with the point itself, if anything is.
std::string fault(const Witnesses& w, const DataSet& data, std::int64_t sample, const float* point) {
  const std::int64_t dim = data.dim();
  const auto off = std::find_if_not(point, point + dim, [](float v) { return v >= 0.f && v <= 1.f; });
  if (off != point + dim) return fmt::format("pixel {} is {}, expected 0 to 1", off - point, *off);
  const double pixels = w.norm == "linf" ? 1.0
                        : w.norm == "l2" ? std::sqrt(static_cast<double>(dim))
                                         : static_cast<double>(dim);
  const double found = distance(w.norm, data, sample, point);
  if (found > w.epsilon * (1 + 1e-6) + 0x1p-25 * pixels)
    return fmt::format("its {} distance is {}, expected at most {}", w.norm, found, w.epsilon);
  return {};
}

/// What is wrong with the model's answer to the witness `at`, if anything is.
std::string fault(const Witnesses& w, std::size_t at, std::span<const float> logits) {
  if (!std::ranges::all_of(logits, [](float v) { return std::isfinite(v); }))
    return "the model's logits are not finite there";
  const auto top = std::ranges::max_element(logits) - logits.begin();
  if (w.targeted() && top != w.target[at])
    return fmt::format("the model says {}, expected its target {}", top, w.target[at]);
  return top == w.label[at] ? fmt::format("the model says {}, its label", w.label[at]) : std::string();
}

}  // namespace

double distance(const std::string& norm, const DataSet& data, std::int64_t sample, const float* point) {
  double largest = 0, squares = 0, sum = 0;
  const Pixels clean = data.pixels(sample, sample + 1);
  for (std::int64_t i = 0; i < data.dim(); ++i) {
    const float pixel = data.is_float() ? clean.floats[i] : static_cast<float>(clean.bytes[i]) / 255.f;
    const double d = std::abs(static_cast<double>(point[i]) - static_cast<double>(pixel));
    largest = std::max(largest, d);
    squares += d * d;
    sum += d;
  }
  return norm == "linf" ? largest : norm == "l2" ? std::sqrt(squares) : sum;
}

void Witnesses::add(const DataSet& data, std::int64_t sample, std::uint16_t predicted, std::int64_t point) {
  index.push_back(sample);
  label.push_back(data.labels[static_cast<std::size_t>(sample)]);
  prediction.push_back(predicted);
  row.push_back(point);
}

bool is_witness(const SampleRow& row) {
  return row.has(SampleRow::clean_correct) && row.has(SampleRow::fooled_final) && !row.has(SampleRow::undecided);
}

void write_witnesses(const fs::path& manifest, const std::string& points_file, const Witnesses& w) {
  const std::string points = npy_bytes("<f4", w.shape, w.points.data(), w.points.size() * sizeof(float));
  json payload = {{"schema", 1},
                  {"kind", "witnesses"},
                  {"model", to_json(w.model)},
                  {"data", {{"source", w.source}, {"sha256", w.data_sha256}}},
                  {"attack", to_json(w.attack)},
                  {"norm", w.norm},
                  {"epsilon", w.epsilon},
                  {"points", {{"file", points_file}, {"sha256", sha256(points)}, {"shape", w.shape}}},
                  {"samples", {{"index", w.index}, {"label", w.label}, {"prediction", w.prediction}, {"row", w.row}}}};
  if (w.asked > 1) payload["asked"] = w.asked;
  if (w.targeted()) payload["samples"]["target"] = w.target;
  payload["model"]["classes"] = w.classes;
  if (!w.model_path.empty()) payload["model"]["path"] = w.model_path;
  if (!w.data_path.empty()) payload["data"]["path"] = w.data_path;
  const std::string digest = sha256(payload.dump());
  replace_file(manifest.parent_path() / points_file, points);
  replace_file(manifest, json{{"payload", std::move(payload)}, {"sha256", digest}}.dump() + "\n");
}

Witnesses read_witnesses(const fs::path& manifest) {
  const auto text = read_if_there(manifest);
  if (!text) refuse(manifest, "found no such file, expected a manifest of witnesses");
  const json content = json::parse(*text, nullptr, false);
  Witnesses w;
  try {
    const json& payload = content.at("payload");
    if (content.at("sha256") != sha256(payload.dump())) refuse(manifest, "its content is not that of its SHA-256");
    if (payload.at("schema") != 1 || payload.at("kind") != "witnesses")
      refuse(manifest, "found schema " + payload.at("schema").dump() + " of " + payload.at("kind").dump() +
                           ", expected schema 1 of \"witnesses\"");
    const json &model = payload.at("model"), &data = payload.at("data"), &points = payload.at("points"),
               &samples = payload.at("samples");
    w.model = plan_model_from_json(model);
    w.classes = model.at("classes").get<int>();
    w.model_path = model.value("path", "");
    w.source = data.at("source").get<std::string>();
    w.data_sha256 = data.at("sha256").get<std::string>();
    w.data_path = data.value("path", "");
    w.attack = perturbation_from_json(payload.at("attack"));
    w.norm = payload.at("norm").get<std::string>();
    w.epsilon = payload.at("epsilon").get<double>();
    w.asked = payload.value("asked", 1);
    samples.at("index").get_to(w.index);
    samples.at("label").get_to(w.label);
    samples.at("prediction").get_to(w.prediction);
    samples.at("row").get_to(w.row);
    if (w.targeted()) samples.at("target").get_to(w.target);

    const fs::path name = points.at("file").get<std::string>(), file = manifest.parent_path() / name;
    if (name != name.filename()) refuse(manifest, "found points in '" + name.string() + "', expected a file beside it");
    const auto bytes = read_if_there(file);
    if (!bytes) refuse(file, "found no such file, expected the points of '" + manifest.filename().string() + "'");
    if (points.at("sha256") != sha256(*bytes)) refuse(file, "its content is not that of the manifest's SHA-256");
    const NpyArray array = read_npy(file);
    w.shape = array.shape;
    if (array.shape.size() != 4 || array.dtype != "<f4")
      refuse(file, "found " + shape_text(array.shape) + " of " + array.dtype + ", expected N x C x H x W of <f4");
    w.points = array.values<float>();
  } catch (const json::exception&) {
    refuse(manifest, "found no manifest of witnesses in it");
  }
  check(manifest, w);
  return w;
}

std::vector<fs::path> find_witnesses(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  if (fs::exists(folder / "witnesses.json", error)) found.push_back(folder / "witnesses.json");
  for (fs::recursive_directory_iterator it(folder / "witnesses", error), end; !error && it != end; it.increment(error))
    if (const fs::path& file = it->path(); file.extension() == ".json" && !file.filename().string().starts_with('.'))
      found.push_back(file);
  std::ranges::sort(found);
  return found;
}

std::vector<Refuted> verify_witnesses(const Exec& exec, Model& model, const DataSet& data, const Witnesses& w,
                                      std::int64_t batch) {
  const auto n = static_cast<std::int64_t>(w.index.size()), dim = data.dim();
  if (w.data_sha256 != data.sha256)
    throw Error(ExitCode::input,
                fmt::format("found '{}' with SHA-256 {}, expected {}", data.name, data.sha256, w.data_sha256),
                "give the data that was attacked: --data KIND:DIR");
  if (w.shape != std::vector<std::int64_t>{w.shape.at(0), data.c, data.h, data.w})
    throw Error(ExitCode::input, fmt::format("found points of {}, expected N x {} x {} x {} as in '{}'",
                                             shape_text(w.shape), data.c, data.h, data.w, data.name));
  for (std::size_t i = 0; i < w.index.size(); ++i) {
    if (w.index[i] < 0 || w.index[i] >= data.n)
      throw Error(ExitCode::input,
                  fmt::format("found a witness of image {}, but '{}' has {}", w.index[i], data.name, data.n));
    const std::uint16_t label = data.labels[static_cast<std::size_t>(w.index[i])];
    if (label != w.label[i])
      throw Error(ExitCode::input, fmt::format("found the label {} of image {}, expected {} as in '{}'", w.label[i],
                                               w.index[i], label, data.name));
  }

  std::vector<Refuted> refuted;
  batch = std::clamp(batch, kFewestRows, std::max(kFewestRows, n));
  const auto classes = static_cast<std::size_t>(model.classes());
  const Buffer<float> there(exec, batch * dim);
  std::vector<float> pixels(static_cast<std::size_t>(batch * dim)), logits(static_cast<std::size_t>(batch) * classes);
  for (std::int64_t first = 0; first < n; first += batch) {
    // Every pass has the same shape: the last witness fills it up.
    for (std::int64_t r = 0; r < batch; ++r) {
      const auto row = w.row[static_cast<std::size_t>(std::min(first + r, n - 1))];
      std::copy_n(w.points.data() + row * dim, dim, pixels.data() + r * dim);
    }
    upload(exec, there.data(), pixels.data(), pixels.size() * sizeof(float));
    const std::int64_t useful = std::min(batch, n - first);
    std::vector<int> held(static_cast<std::size_t>(useful));
    std::vector<std::string> why(held.size());
    for (int nth = 0; nth < w.asked; ++nth) {
      fetch_unit(exec, logits.data(), model.forward(exec, {there.data(), batch, data.c, data.h, data.w}, false),
                 logits.size() * sizeof(float));
      for (std::size_t r = 0; r < held.size(); ++r) {
        const std::string found =
            fault(w, static_cast<std::size_t>(first) + r, std::span(logits).subspan(r * classes, classes));
        if (found.empty())
          ++held[r];
        else
          why[r] = found;
      }
    }
    for (std::size_t r = 0; r < held.size(); ++r) {
      const std::int64_t sample = w.index[static_cast<std::size_t>(first) + r];
      std::string found = fault(w, data, sample, pixels.data() + static_cast<std::int64_t>(r) * dim);
      if (found.empty() && 2 * held[r] < w.asked)
        found = w.asked == 1 ? why[r] : fmt::format("{} of {} answers: {}", w.asked - held[r], w.asked, why[r]);
      if (!found.empty()) refuted.push_back({sample, std::move(found)});
    }
  }
  return refuted;
}

}  // namespace assay
