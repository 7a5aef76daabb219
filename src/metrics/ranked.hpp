#pragma once
#include "assay/rank.hpp"
#include "metrics/metric_kernel.hpp"

// What the statistics of a ranking by confidence share. They run on the host, where the rows of all samples meet.
namespace assay {

/// A metric of the ranking: M::of(ranking), which has both right and wrong samples where M::kBoth.
template <class M>
Estimate ranked(const Ranking& ranking) {
  const Counts counts = count(ranking);
  Estimate estimate = undefined_estimate();
  if (counts.all() == 0)
    estimate.undefined = kNoneDecided;
  else if (M::kBoth && counts.hits == 0)
    estimate.undefined = "no sample is right";
  else if (M::kBoth && counts.others == 0)
    estimate.undefined = "no sample is wrong";
  else
    estimate.value = M::of(ranking);
  return estimate;
}

}  // namespace assay
