#include <fmt/format.h>

#include "assay/source.hpp"
#include "cli/cli.hpp"
#include "torch/script_model.hpp"

namespace assay::cli {
namespace {

struct Options {
  DeviceOptions device;
  bool json = false;
};

ExitCode doctor(const Options& options) {
  if (!options.device.device.empty() && options.device.device != "auto") choose_device(options.device.device);
  nlohmann::json report = environment();
  std::string why_not;
  report["cuda"] = {{"available", cuda_available(why_not)}, {"reason", why_not}};
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
    fmt::print("{:<10} {}\n", name, value.get<std::string>());
  fmt::print("processors {}\n", report["processors"].get<int>());
  fmt::print("device     cpu; cuda: {}\n", why_not.empty() ? "available" : why_not);
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
