#include <fmt/format.h>

#include "assay/source.hpp"
#include "cli/cli.hpp"

namespace assay::cli {
namespace {

struct Options {
  DeviceOptions device;
  bool json = false;
};

nlohmann::json cuda_report() {
  const CudaSurvey& survey = cuda_survey();
  nlohmann::json devices = nlohmann::json::array();
  for (std::size_t i = 0; i < survey.devices.size(); ++i) {
    const CudaDeviceInfo& device = survey.devices[i];
    devices.push_back({{"name", device.name},
                       {"compute_capability", device.capability()},
                       {"memory", device.memory},
                       {"reason", survey.why_not(static_cast<int>(i))}});
  }
  const auto version = [](int number) { return number > 0 ? nlohmann::json(cuda_version(number)) : nlohmann::json(); };
  return {{"available", survey.why_not(0).empty()},
          {"reason", survey.why_not(0)},
          {"driver", version(survey.driver)},
          {"runtime", version(survey.runtime)},
          {"devices", devices}};
}

void print_cuda() {
  const CudaSurvey& survey = cuda_survey();
  if (survey.devices.empty()) fmt::print("cuda       no device: {}\n", survey.why_none);
  for (int i = 0; i < static_cast<int>(survey.devices.size()); ++i) {
    const std::string why_not = survey.why_not(i);
    fmt::print("cuda       {}\n", why_not.empty() ? survey.devices[static_cast<std::size_t>(i)].describe(i) : why_not);
  }
  if (survey.runtime > 0)
    fmt::print("cuda       runtime {}, driver {}\n", cuda_version(survey.runtime),
               survey.driver > 0 ? "for " + cuda_version(survey.driver) : "none");
}

ExitCode doctor(const Options& options) {
  const Device device = choose_device(options.device.device.empty() ? "cpu" : options.device.device);
  nlohmann::json report = environment(device);
  report["cuda"] = cuda_report();
  try {
    load_data("fashion_mnist", ".");
    report["fashion_mnist"] = "found";
  } catch (const Error& e) {
    report["fashion_mnist"] = e.what();
  }
  if (options.json) {
    print_json(report);
    return ExitCode::done;
  }
  fmt::print("assay      {}\n", ASSAY_VERSION);
  for (const auto& [name, value] : report["numerics"].items())
    if (name != "device") fmt::print("{:<10} {}\n", name, value.get<std::string>());
  fmt::print("processors {}\n", report["processors"].get<int>());
  fmt::print("device     {}\n", report["device"].get<std::string>());
  print_cuda();
  fmt::print("demo data  {}\n", report["fashion_mnist"].get<std::string>());
  return ExitCode::done;
}

}  // namespace

Verb add_doctor(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("doctor", "What this program found on this machine");
  add_device_options(*verb, options->device);
  verb->add_flag("--json", options->json, "print one JSON object");
  return {verb, [options] { return doctor(*options); }};
}

}  // namespace assay::cli
