#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>

#include "cli/cli.hpp"
#include "core/text.hpp"

namespace assay::cli {

StopFlag& stop_flag() {
  static StopFlag flag{false};
  return flag;
}

namespace {

static_assert(StopFlag::is_always_lock_free, "set from a signal handler");

extern "C" void on_signal(int signal) {
  stop_flag().store(true, std::memory_order_relaxed);
  std::signal(signal, SIG_DFL);
}

int complain(const Error& e) {
  fmt::print(stderr, "error: {}\n", one_line(e.what()));
  if (!e.hint().empty()) fmt::print(stderr, "hint:  {}\n", one_line(e.hint()));
  return static_cast<int>(e.code());
}

/// A model's pass frees its feature maps and asks for the same ones again. By glibc's defaults the pages go back to the
/// kernel in between, which zeroes them each time: a quarter of the time of PGD on the demo's models.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);
}

int run_program(int argc, char** argv) {
  CLI::App app{"assay: tells whether a trained model can be trusted beyond its accuracy"};
  app.set_version_flag("--version", ASSAY_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 a witness does not hold, 2 command line or config, 3 some units failed, 4 merge "
      "incomplete, 65 model or data,\n"
      "69 device, 70 internal, 73 cannot write, 75 interrupted (run the same command again).");
  std::vector<Verb> verbs;
  for (const auto add : {add_run, add_plan, add_status, add_merge, add_verify, add_list, add_doctor, add_attack,
                         add_corrupt, add_score, add_bench})
    verbs.push_back(add(app));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const std::string first = argc > 1 ? argv[1] : "";
    std::vector<std::string> names;
    for (const Verb& verb : verbs) names.push_back(verb.app->get_name());
    // Of a verb that it doesn't know, CLI11 says only that one is missing.
    if (!first.empty() && !first.starts_with('-') && std::find(names.begin(), names.end(), first) == names.end())
      return complain(Error(ExitCode::usage, "unknown verb '" + first + "'", did_you_mean(first, names)));
    std::string what = e.what();
    // All options that are not texts are numbers.
    if (dynamic_cast<const CLI::ConversionError*>(&e) != nullptr) what += ", expected a number that it can take";
    return complain(Error(ExitCode::usage, what, "see `assay --help` or `assay VERB --help`"));
  }
  for (const Verb& verb : verbs)
    if (verb.app->parsed()) return static_cast<int>(verb.action());
  return static_cast<int>(ExitCode::usage);
}

}  // namespace

void handle_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) std::signal(signal, on_signal);
}

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(1));
}

}  // namespace assay::cli

int main(int argc, char** argv) {
  using namespace assay;
  cli::keep_freed_memory();
  try {
    const int code = cli::run_program(argc, argv);
    if (std::fflush(stdout) != 0)
      return cli::complain(Error(ExitCode::cannot_write, "cannot write to standard output"));
    return code;
  } catch (const Error& e) {
    return cli::complain(e);
  } catch (const std::bad_alloc&) {
    return cli::complain(Error(ExitCode::internal, "out of memory", "use a smaller batch"));
  } catch (const std::exception& e) {
    // fmt throws where stdout takes no more.
    if (std::ferror(stdout) != 0)
      return cli::complain(Error(ExitCode::cannot_write, "cannot write to standard output"));
    return cli::complain(Error(ExitCode::internal, std::string("internal error: ") + e.what()));
  }
}
