#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "assay/model.hpp"
#include "assay/source.hpp"
#include "engine/plan.hpp"

namespace assay {

/// Points that fool a model, with all that anyone needs to check them: which model, which images, which ball.
struct Witnesses {
  PlanModel model;
  int classes = 0;  ///< of the model
  std::string source, data_sha256;
  Perturbation attack;
  std::string norm;  ///< "linf", "l2" or "l1"
  double epsilon = 0;
  int asked = 1;                      ///< how often the model was asked about each: the majority decided
  std::string model_path, data_path;  ///< where both were; may be empty, and decide nothing
  std::vector<std::int64_t> shape;    ///< of the file of points: rows, C, H, W
  std::vector<float> points;          ///< pixels, should be in [0, 1]
  // A witness:
  std::vector<std::int64_t> row;    ///< of the file
  std::vector<std::int64_t> index;  ///< in the data set
  std::vector<std::uint16_t> label, prediction;
  std::vector<std::uint16_t> target;  ///< the class that it was to be taken for, where the attack has a target

  bool targeted() const { return attack.params.contains("target"); }
  void add(const DataSet& data, std::int64_t sample, std::uint16_t predicted, std::int64_t point);
};

/// Whether the last verified point of an attacked sample proves that it is not robust: right when clean, then fooled
/// (or taken for the target).
bool is_witness(const SampleRow& row);

/// How far `point` (pixels, C x H x W) is from an image of the data set; `norm` is "linf", "l2" or "l1".
double distance(const std::string& norm, const DataSet& data, std::int64_t sample, const float* point);

/// Writes the points as `points_file` in the manifest's folder, then the manifest, JSON with its own SHA-256; each
/// appears whole or not at all. Throws assay::Error (exit 73).
void write_witnesses(const std::filesystem::path& manifest, const std::string& points_file, const Witnesses& witnesses);

/// Reads both. Throws assay::Error (exit 65): a file that is missing, damaged or of another schema, points that are not
/// those of the manifest, or a witness without a point.
Witnesses read_witnesses(const std::filesystem::path& manifest);

/// The manifests of a folder that `assay run --save-adversarials` or `assay attack` wrote, in order of their names.
std::vector<std::filesystem::path> find_witnesses(const std::filesystem::path& folder);

/// What is wrong with a witness.
struct Refuted {
  std::int64_t index;
  std::string why;
};

/// Asks the model about each point, once or witnesses.asked times, and measures it: finite, in the box, within epsilon
/// of the image by the ball's definition (1e-6 relative and 2^-25 a pixel, half a unit in the last place below 1), the
/// label not the arg-max (ties: lowest index), or the target it; of several answers by the majority. Knows of no
/// attack. Throws assay::Error (exit 65) where the data is not the manifest's, or a label is not the data's.
std::vector<Refuted> verify_witnesses(const Exec& exec, Model& model, const DataSet& data, const Witnesses& witnesses,
                                      std::int64_t batch);

}  // namespace assay
