#pragma once
#include "assay/core/math.hpp"
#include "assay/core/team.hpp"
#include "core/lanes.hpp"

// The nearest point of a hyperplane {x : <w, x> = b} in the box [0, 1]: Croce & Hein 2020, arXiv:1907.02044,
// section 3.1 and appendix A. With c = <w, t> - b every coordinate of t goes against sign(c) w(i), by at most the
// room(i) that the box leaves it there, and sum |w(i)| |shift(i)| = |c|. Published solvers sort the coordinates by
// where they meet the bound. One number says it all, so here that number is sought, by sums over rows alone. Sums are
// in double: what is left for the last coordinates is a difference of two of them.
namespace assay {

/// What one coordinate may do.
struct BoxSide {
  float against;  ///< 1: coordinates with w > 0 go down; -1: they go up

  ASSAY_HD explicit BoxSide(double c) : against(c > 0 ? 1.f : -1.f) {}
  ASSAY_HD double room(float t, float w) const {
    return against * w > 0.f ? static_cast<double>(t) : 1.0 - static_cast<double>(t);
  }
  ASSAY_HD float step(double length, float w) const {
    const float towards = against * w;
    return towards > 0.f ? -static_cast<float>(length) : (towards < 0.f ? static_cast<float>(length) : 0.f);
  }
};

ASSAY_HD double magnitude(float v) {
  return static_cast<double>(v < 0.f ? -v : v);
}

/// The largest f(in[i]...), none of them negative. Their bits are compared: g++ vectorises no maximum of floats.
template <class Team, class F, class... In>
ASSAY_HD double largest(Team& team, std::int64_t n, const F& f, const In*... in) {
  const std::int64_t bits = team.max_of(
      n, std::int64_t{0}, [=](In... x) { return static_cast<std::int64_t>(double_to_bits(f(x...))); }, in...);
  return bits_to_double(static_cast<std::uint64_t>(bits));
}

/// In L-infinity and L2. Coordinate i goes min(reach pull(i), room(i)), pull = 1 or |w(i)|.
template <Norm norm>
class BoxProjection {
 public:
  double size;  ///< the shift's norm

  /// sum |w| pull: of all hyperplanes with this normal.
  template <class Team>
  ASSAY_HD static double whole(Team& team, std::int64_t n, const float* w) {
    return team.sum_of(n, [](float v) { return magnitude(v) * pull(v); }, w);
  }

  /// Of the point t in the box, for finite w and <w, t> - b = c. Where the box holds no point of the hyperplane all
  /// coordinates go to their bound.
  template <class Team>
  ASSAY_HD BoxProjection(Team& team, std::int64_t n, const float* t, const float* w, double c, double whole)
      : size(0), side_(c), reach_(0) {
    const double gap = c < 0 ? -c : c;
    if (!(whole > 0) || !(gap > 0)) return;
    // f(reach) = sum |w| min(reach pull, room) is concave and piecewise linear: from the left Newton's method never
    // passes the root, and is on it once it has come to the root's own piece. Each step divides (gap - f) f' by at
    // least four, so that double's range bounds their number; images take three to six.
    const BoxSide side = side_;
    double reach = gap / whole, before = whole;
    for (;;) {
      const double at = reach;
      const double free = team.sum_of(
          n, [=](float x, float v) { return at * pull(v) < side.room(x, v) ? magnitude(v) * pull(v) : 0.0; }, t, w);
      if (!(free < before)) break;
      before = free;
      const double bound = team.sum_of(
          n,
          [=](float x, float v) {
            const double room = side.room(x, v);
            return at * pull(v) < room ? 0.0 : magnitude(v) * room;
          },
          t, w);
      const double next = free > 0 ? (gap - bound) / free : kEverywhere;
      if (!(next > reach)) break;
      reach = next;
    }
    reach_ = reach;
    size = norm_of(team, n, t, w);
  }

  /// What is added to a coordinate.
  ASSAY_HD float shift(float t, float w) const { return side_.step(length(t, w), w); }

 private:
  static constexpr double kEverywhere = 1e300;

  ASSAY_HD static double pull(float w) { return norm == Norm::linf ? 1.0 : magnitude(w); }
  ASSAY_HD double length(float t, float w) const {
    const double free = reach_ * pull(w), room = side_.room(t, w);
    return free < room ? free : room;
  }
  template <class Team>
  ASSAY_HD double norm_of(Team& team, std::int64_t n, const float* t, const float* w) const {
    const BoxProjection own = *this;
    if constexpr (norm == Norm::l2) {
      return sqrt(team.sum_of(
          n,
          [=](float x, float v) {
            const double length = own.length(x, v);
            return v != 0.f ? length * length : 0.0;
          },
          t, w));
    } else {
      if (reach_ < kEverywhere) return reach_;
      return largest(team, n, [=](float x, float v) { return v != 0.f ? own.length(x, v) : 0.0; }, t, w);
    }
  }

  BoxSide side_;
  double reach_;
};

/// In L1. Coordinates go all their way in order of falling |w|, until the hyperplane is reached; those of the |w| at
/// which it is all go the same part of theirs.
template <>
class BoxProjection<Norm::l1> {
 public:
  double size;

  template <class Team>
  ASSAY_HD static double whole(Team&, std::int64_t, const float*) {
    return 0;
  }
  template <class Team>
  ASSAY_HD BoxProjection(Team& team, std::int64_t n, const float* t, const float* w, double c, double /*whole*/)
      : size(0), side_(c), above_(kInfinite), full_(kInfinite), part_(0) {
    const double gap = c < 0 ? -c : c;
    if (!(gap > 0)) return;
    // Of coordinates with |w| > low, and with |w| > high: what they add to |c|, and how far they go.
    Filled low = filled(team, n, t, w, 0), high{0, 0};
    above_ = 0;
    if (!(low.gain > gap)) {
      full_ = 0;
      size = low.length;
      return;
    }
    // The mean of what is in between, by length, ends in about log n steps; halving the bits bounds the worst case.
    for (int k = 1; full_ - above_ > 1; ++k) {
      const auto mean = static_cast<float>((low.gain - high.gain) / (low.length - high.length));
      std::uint32_t pivot = k % 4 == 0 ? above_ + (full_ - above_) / 2 : float_to_bits(mean);
      pivot = pivot > above_ ? pivot : above_ + 1;
      pivot = pivot < full_ ? pivot : full_ - 1;
      const Filled here = filled(team, n, t, w, pivot);
      if (here.gain < gap) {
        full_ = pivot;
        high = here;
      } else {
        above_ = pivot;
        low = here;
      }
    }
    part_ = (gap - high.gain) / (low.gain - high.gain);
    size = high.length + part_ * (low.length - high.length);
  }

  ASSAY_HD float shift(float t, float w) const {
    const double room = side_.room(t, w);
    const float most = bits_to_float(full_), least = bits_to_float(above_), size_of_w = w < 0.f ? -w : w;
    return side_.step(size_of_w > most ? room : (size_of_w > least ? part_ * room : 0.0), w);
  }

 private:
  static constexpr std::uint32_t kInfinite = 0x7F800000u;

  struct Filled {
    double gain, length;
  };
  template <class Team>
  ASSAY_HD Filled filled(Team& team, std::int64_t n, const float* t, const float* w, std::uint32_t above) const {
    const BoxSide side = side_;
    const float least = bits_to_float(above);
    const auto in = [=](float v) { return (v < 0.f ? -v : v) > least; };
    return {team.sum_of(
                n, [=](float x, float v) { return in(v) ? magnitude(v) * side.room(x, v) : 0.0; }, t, w),
            team.sum_of(n, [=](float x, float v) { return in(v) ? side.room(x, v) : 0.0; }, t, w)};
  }

  BoxSide side_;
  std::uint32_t above_, full_;  // the bits of two |w|: positive floats are in the order of their bits
  double part_;
};

}  // namespace assay
