// Preloaded by device_test.py: what the CUDA runtime answers when asked what is there, taken from the environment. All
// else is the real runtime, which finds nothing on a machine without a device, as if it had been lost.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>

namespace {

int number(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  const int error = number("FAKE_ERROR");
  if (error == 0) *count = number("FAKE_COUNT");  // the real one, too, leaves it as it is when it fails
  return static_cast<cudaError_t>(error);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = number("FAKE_DRIVER");
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "Fake %d", device);
  properties->major = number("FAKE_CAPABILITY") / 10;
  properties->minor = number("FAKE_CAPABILITY") % 10;
  properties->totalGlobalMem = std::size_t{80} << 30;
  return cudaSuccess;
}
}
