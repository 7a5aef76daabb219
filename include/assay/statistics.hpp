#pragma once
#include <cstdint>
#include <span>
#include <vector>

// What a difference between two numbers is worth: intervals, paired tests, and what many tests at once take.
namespace assay {

/// NaN in both where it is undefined.
struct Interval {
  double lo = 0, hi = 0;
};

/// Of a rate k / n at a confidence in (0, 1): the score interval (Wilson 1927, JASA 22). Its coverage is about the
/// confidence on average over rates, and below it for some. [0, 1] where n is 0. Throws assay::Error (exit 70) where k
/// > n or the confidence is outside.
Interval wilson(std::uint64_t k, std::uint64_t n, double confidence);

/// As `wilson`, but never covers less than the confidence (Clopper & Pearson 1934, Biometrika 26).
Interval clopper_pearson(std::uint64_t k, std::uint64_t n, double confidence);

/// The two-sided p-value that a pair's two ways to differ are as frequent (McNemar 1947, Psychometrika 12), where b
/// pairs differ in one way and c in the other: twice the tail of Binomial(b + c, 1/2), at most 1.
double mcnemar_exact(std::uint64_t b, std::uint64_t c);

/// As `mcnemar_exact`, less the probability of what was observed (Fagerland, Lydersen & Laake 2013, BMC Med. Res.
/// Methodol. 13:91): closer to its level, which it can exceed a little.
double mcnemar_mid_p(std::uint64_t b, std::uint64_t c);

/// p-values adjusted for being so many, in the order given. Reject those up to alpha, and the probability that any true
/// hypothesis is among them is at most alpha (Holm 1979, Scand. J. Stat. 6). Throws assay::Error (exit 70) for a value
/// outside [0, 1].
std::vector<double> holm(std::span<const double> p);

/// As `holm`; of those up to alpha the expected share of true hypotheses is at most alpha, if the tests are independent
/// or positively dependent (Benjamini & Hochberg 1995, JRSS B 57).
std::vector<double> benjamini_hochberg(std::span<const double> p);

/// The threshold of split conformal prediction at a miscoverage alpha in (0, 1): the ceil((n + 1)(1 - alpha))-th
/// smallest of n nonconformity scores of held-out labels, infinity where n is too small for it (Vovk et al. 2005;
/// Angelopoulos & Bates 2021, arXiv:2107.07511, §1). A new sample's is at most that with probability at least 1 -
/// alpha. Throws assay::Error (exit 70) for an alpha outside.
double conformal_quantile(std::vector<double> scores, double alpha);

/// How often a resample has a sample: Poisson(1) by inversion of a Philox word, so that it depends on the seed, the
/// sample's index in the data set and the resample alone, and shards need not know each other (Chamandy et al. 2012,
/// "Estimating uncertainty for massive data streams"; Hanley & MacGibbon 2006).
std::uint32_t bootstrap_weight(std::uint64_t seed, std::uint32_t sample, std::uint32_t resample);

/// The means of columns, one number a sample in each, over all samples and over resamples that all columns share: what
/// two cells have in common cancels in the differences of their means. Sums are integers in units of 2^-32, hence the
/// same for any order and division of the samples. A value is at most 2^20 in size; NaN: the column leaves the sample
/// out.
class PairedBootstrap {
 public:
  PairedBootstrap(std::uint64_t seed, std::uint32_t resamples, std::size_t columns);

  /// Throws assay::Error (exit 70) for a wrong number of values, or one that is infinite or too large.
  void add(std::uint32_t sample, std::span<const double> values);
  /// As if the other's samples, which must be others, had been added here. Throws assay::Error (exit 70) where seed,
  /// resamples or columns differ.
  void merge(const PairedBootstrap& other);

  double mean(std::size_t column) const;
  /// A mean a resample; NaN where it has no sample of the column.
  std::vector<double> resampled_means(std::size_t column) const;

 private:
  struct Sum {
    __extension__ __int128 value = 0;
    std::uint64_t weight = 0;
    double mean() const;
  };
  std::uint64_t seed_;
  std::uint32_t resamples_;
  std::size_t columns_;
  std::vector<Sum> sums_;  ///< the whole, then the resamples; columns within
};

/// The quantiles (1 -+ confidence) / 2 of what a statistic was over resamples; between two values linear, as
/// numpy.quantile has it. NaN among `resampled` is left out.
Interval percentile_interval(std::span<const double> resampled, double confidence);

/// The same with quantiles corrected for bias and skewness (Efron 1987, JASA 82). `influence`: a number a sample,
/// proportional to how far the statistic moves when it is left out: for a mean, the value less the mean. Undefined
/// where all of `resampled` lie on one side of the estimate.
Interval bca_interval(double estimate, std::span<const double> resampled, std::span<const double> influence,
                      double confidence);

/// Whether a difference (new - old, larger is better) is no worse than -margin.
struct NonInferiority {
  double lower = 0;  ///< bound of the one-sided percentile interval
  bool holds = false;
};
/// At level alpha in (0, 1/2], from the differences over resamples; an undefined bound does not hold. Throws
/// assay::Error (exit 70) for a margin below 0.
NonInferiority non_inferiority(std::span<const double> resampled, double margin, double alpha);

}  // namespace assay
