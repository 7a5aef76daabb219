#include "assay/core/team.hpp"
#include "core/rows.hpp"
#include "core/softmax.hpp"

namespace assay {
namespace {

struct GatherPixels {
  ResidentData data;
  const std::uint32_t* sample;
  float* out;
  std::uint16_t* label;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t from = sample[row];
    if (data.bytes.data != nullptr) {
      const std::int64_t dim = data.bytes.dim();
      const std::uint8_t* in = data.bytes.data + (from - data.first) * dim;
      float* to = out + row * dim;
      team.map(dim, to, [](std::uint8_t v) { return static_cast<float>(v) / 255.f; }, in);
    } else {
      const std::int64_t dim = data.floats.dim();
      const float* in = data.floats.data + (from - data.first) * dim;
      float* to = out + row * dim;
      team.map(dim, to, [](float v) { return v; }, in);
    }
    team.once([&] { label[row] = data.label[from]; });
  }
};

struct GatherBytes {
  ResidentData data;
  const std::uint32_t* sample;
  std::uint8_t* out;
  std::uint16_t* label;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t from = sample[row], dim = data.bytes.dim();
    const std::uint8_t* in = data.bytes.data + (from - data.first) * dim;
    std::uint8_t* to = out + row * dim;
    team.map(dim, to, [](std::uint8_t v) { return v; }, in);
    team.once([&] { label[row] = data.label[from]; });
  }
};

ASSAY_HD std::uint32_t level(float v) {
  return static_cast<std::uint32_t>(clamp01(v) * 255.f);
}

struct Quantise {
  const float* corrupted;
  Images<std::uint8_t> bytes;
  float* pixels;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t plane = bytes.plane(), dim = bytes.dim();
    const float* in = corrupted + row * 3 * plane;
    std::uint8_t* out = bytes.data + row * dim;
    float* real = pixels == nullptr ? nullptr : pixels + row * dim;
    if (bytes.c == 1)
      team.map(
          plane, out,
          [](float r, float g, float b) {
            const std::uint32_t sum = level(r) * 19595u + level(g) * 38470u + level(b) * 7471u;
            return static_cast<std::uint8_t>((sum + 0x8000u) >> 16);
          },
          in, in + plane, in + 2 * plane);
    else
      team.map(dim, out, [](float v) { return static_cast<std::uint8_t>(level(v)); }, in);
    if (real != nullptr) team.map(dim, real, [](std::uint8_t v) { return static_cast<float>(v) / 255.f; }, out);
  }
};

struct Luma {
  const float* rgb;
  Images<float> out;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t plane = out.plane();
    const float* in = rgb + row * 3 * plane;
    float* to = out.data + row * plane;
    team.map(
        plane, to, [](float r, float g, float b) { return 0.299f * r + 0.587f * g + 0.114f * b; }, in, in + plane,
        in + 2 * plane);
  }
};

struct Observe {
  Stage stage;
  int classes;
  const float* logits;
  const std::uint16_t* label;
  std::uint16_t* flags;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* z = logits + row * classes;
    const bool broken = team.count(classes, [=](std::int64_t k) { return !finite(z[k]); }) != 0;
    const bool right = !broken && arg_max(team, z, classes) == label[row];
    const bool wrong = !broken && !right;
    unsigned set = 0;
    if (broken) set |= SampleRow::undecided;
    if (stage == Stage::clean && right) set |= SampleRow::clean_correct;
    if (stage != Stage::clean && wrong) set |= SampleRow::fooled_any;
    if (stage == Stage::last && wrong) set |= SampleRow::fooled_final;
    team.once([&] { flags[row] = static_cast<std::uint16_t>(flags[row] | set); });
  }
};

struct CheckGradients {
  std::int64_t dim;
  const float* gradient;
  std::uint16_t* flags;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* g = gradient + row * dim;
    // 0 * g is 0 for every finite g and NaN otherwise: one vectorised sum instead of a test an element.
    const float poison = team.sum_of(dim, [](float v) { return 0.f * v; }, g);
    if (poison != 0.f || !finite(poison))
      team.once([&] { flags[row] = static_cast<std::uint16_t>(flags[row] | SampleRow::undecided); });
  }
};

constexpr std::uint16_t kNoPrediction = 0xFFFF;

/// Per-sample statistics from probabilities that `p` gives by class.
template <class Team, class P>
ASSAY_HD SampleRow describe(Team& team, int classes, int top, int label, double nll, unsigned flags,
                            const float* rank_by, const P& p) {
  const float own = rank_by[label];
  const std::int64_t before =
      team.count(classes, [=](std::int64_t k) { return rank_by[k] > own || (rank_by[k] == own && k < label); });
  const double brier = team.sum(classes, [&](std::int64_t k) {
    const double gap = p(k) - (k == label ? 1.0 : 0.0);
    return gap * gap;
  });
  if (top == label) flags |= SampleRow::correct;
  if (before < 5) flags |= SampleRow::top5;
  return {static_cast<std::uint16_t>(top), static_cast<std::uint16_t>(flags), static_cast<float>(p(top)),
          static_cast<float>(nll), static_cast<float>(brier)};
}

ASSAY_HD SampleRow undecided_row(unsigned flags) {
  return {kNoPrediction, static_cast<std::uint16_t>(flags | SampleRow::undecided), 0.f, 0.f, 0.f};
}

struct ScoreLogits {
  int classes;
  const float* logits;
  const std::uint16_t* label;
  const std::uint16_t* flags;
  SampleRow* out;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* z = logits + row * classes;
    const int truth = label[row];
    const unsigned known = flags == nullptr ? 0u : flags[row];
    SampleRow result = undecided_row(known);
    const bool broken = team.count(classes, [=](std::int64_t k) { return !finite(z[k]); }) != 0;
    if (!broken && (known & SampleRow::undecided) == 0) {
      const Softmax softmax = Softmax::of(team, z, classes);
      const double nll = -softmax.log_probability(z[truth]);
      result = describe(team, classes, arg_max(team, z, classes), truth, nll, known, z,
                        [=](std::int64_t k) { return softmax.probability(z[k]); });
    }
    team.once([&] { out[row] = result; });
  }
};

struct ScoreProbabilities {
  int classes;
  const float* probabilities;
  const std::uint16_t* label;
  SampleRow* out;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* p = probabilities + row * classes;
    const int truth = label[row];
    SampleRow result = undecided_row(0);
    const bool broken = team.count(classes, [=](std::int64_t k) { return !(p[k] >= 0.f && p[k] <= 1.f); }) != 0;
    if (!broken) {
      const double nll = p[truth] > 0.f ? -log_positive(static_cast<double>(p[truth])) : static_cast<double>(INFINITY);
      result = describe(team, classes, arg_max(team, p, classes), truth, nll, 0, p,
                        [=](std::int64_t k) { return static_cast<double>(p[k]); });
    }
    team.once([&] { out[row] = result; });
  }
};

struct NumberRows {
  std::int64_t rows, first, last;
  std::uint32_t* sample;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const std::int64_t from = first, until = last;
    std::uint32_t* to = sample;
    team.each(rows, [=](std::int64_t r) { to[r] = static_cast<std::uint32_t>(from + r < until ? from + r : until); });
  }
};

struct MakeItems {
  std::int64_t rows;
  const std::uint32_t* sample;
  float epsilon;
  LaneItem* item;
  std::uint16_t* flags;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    team.each(rows, [=, this](std::int64_t r) {
      item[r] = {sample[r], epsilon};
      flags[r] = 0;
    });
  }
};

struct Zero {
  std::uint64_t* words;
  std::int64_t count;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    std::uint64_t* w = words;
    team.each(count, [=](std::int64_t i) { w[i] = 0; });
  }
};

}  // namespace

void gather_pixels(const Exec& exec, const ResidentData& data, const std::uint32_t* sample, std::int64_t rows,
                   float* out, std::uint16_t* label) {
  const std::int64_t dim = data.bytes.data != nullptr ? data.bytes.dim() : data.floats.dim();
  for_each_row(exec, rows, dim, GatherPixels{data, sample, out, label});
}
void gather_bytes(const Exec& exec, const ResidentData& data, const std::uint32_t* sample, std::int64_t rows,
                  std::uint8_t* out, std::uint16_t* label) {
  for_each_row(exec, rows, data.bytes.dim(), GatherBytes{data, sample, out, label});
}
void quantise(const Exec& exec, const float* corrupted, Images<std::uint8_t> bytes, float* pixels) {
  for_each_row(exec, bytes.n, bytes.dim(), Quantise{corrupted, bytes, pixels});
}
void luma(const Exec& exec, const float* rgb, Images<float> out) {
  for_each_row(exec, out.n, out.dim(), Luma{rgb, out});
}
void observe(const Exec& exec, Stage stage, std::int64_t rows, int classes, const float* logits,
             const std::uint16_t* label, std::uint16_t* flags) {
  for_each_team(exec, rows, Observe{stage, classes, logits, label, flags});
}
void check_gradients(const Exec& exec, std::int64_t rows, std::int64_t dim, const float* gradient,
                     std::uint16_t* flags) {
  for_each_row(exec, rows, dim, CheckGradients{dim, gradient, flags});
}
void score_logits(const Exec& exec, std::int64_t rows, int classes, const float* logits, const std::uint16_t* label,
                  const std::uint16_t* flags, SampleRow* out) {
  for_each_team(exec, rows, ScoreLogits{classes, logits, label, flags, out});
}
void score_probabilities(const Exec& exec, std::int64_t rows, int classes, const float* probabilities,
                         const std::uint16_t* label, SampleRow* out) {
  for_each_team(exec, rows, ScoreProbabilities{classes, probabilities, label, out});
}
void number_rows(const Exec& exec, std::int64_t rows, std::int64_t first, std::int64_t last, std::uint32_t* sample) {
  for_each_team(exec, 1, NumberRows{rows, first, last, sample});
}
void make_items(const Exec& exec, std::int64_t rows, const std::uint32_t* sample, float epsilon, LaneItem* item,
                std::uint16_t* flags) {
  for_each_team(exec, 1, MakeItems{rows, sample, epsilon, item, flags});
}
void zero(const Exec& exec, std::uint64_t* words, std::int64_t count) {
  for_each_team(exec, 1, Zero{words, count});
}

}  // namespace assay
