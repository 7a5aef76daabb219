#include "assay/core/device.hpp"

namespace assay {

const float kBox[2] = {0.f, 1.f};
const double kBox64[2] = {0.0, 1.0};

}  // namespace assay
