// Ensembles of the user's own: `members` names single attacks of the ball's norm, with parameters where they are not
// the defaults, parted by semicolons: "apgd_ce_linf steps=50; square_linf queries=1000".
#include <sstream>

#include "assay/attack.hpp"
#include "assay/core/error.hpp"
#include "assay/sweep.hpp"

namespace assay {
namespace {

Param value_of(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return text;  // numbers are read where their parameter is checked
}

std::vector<Member> members(const Params& params) {
  std::vector<Member> all;
  std::istringstream list(text_param(params, "members"));
  for (std::string one; std::getline(list, one, ';');) {
    std::istringstream words(one);
    Member member;
    words >> member.name;
    for (std::string word; words >> word;) {
      const std::size_t equals = word.find('=');
      if (equals == std::string::npos || equals == 0 || equals + 1 == word.size())
        throw Error(ExitCode::usage, "members: '" + word + "' of '" + member.name + "', expected parameter=value");
      if (!member.params.emplace(word.substr(0, equals), value_of(word.substr(equals + 1))).second)
        throw Error(ExitCode::usage,
                    "members: '" + member.name + "' has the parameter '" + word.substr(0, equals) + "' twice");
    }
    if (!member.name.empty()) all.push_back(std::move(member));
  }
  if (all.empty())
    throw Error(ExitCode::usage, "members names no attack",
                "name them as in members = \"apgd_ce_linf steps=50; square_linf\"");
  return all;
}

template <int norm>
void check(Params& params) {
  static constexpr const char* kNames[] = {"ensemble_linf", "ensemble_l2", "ensemble_l1"};
  make_attacks(kNames[norm], params);
}

template <int norm>
AttackEntry entry(const char* name, double largest) {
  return {"attacks that you choose, each on what the ones before left standing",
          name,
          {{"epsilon", ParamType::real, "radius of the ball, pixels in [0, 1]", {}, 0.0, largest, {}, {}},
           {"members",
            ParamType::text,
            "attacks of this norm with their parameters, parted by semicolons: \"apgd_ce_linf steps=50; square_linf\"",
            {},
            {},
            {},
            {},
            {}}},
          nullptr,
          check<norm>,
          "each member's own",
          members};
}
const Registry<AttackEntry>::Add add_linf{"ensemble_linf", entry<0>("linf", 1)};
const Registry<AttackEntry>::Add add_l2{"ensemble_l2", entry<1>("l2", 1e6)};
const Registry<AttackEntry>::Add add_l1{"ensemble_l1", entry<2>("l1", 1e9)};

}  // namespace
}  // namespace assay
