// AutoAttack (Croce & Hein 2020, arXiv:2003.01690, section 5, and 2021, arXiv:2103.01208, for L1): ensembles without
// parameters, each member on the images that those before it left standing. Constants as in the authors' own.
#include "assay/attack.hpp"

namespace assay {
namespace {

Member member(const std::string& name, const std::string& norm, Params params = {}) {
  return {name + '_' + norm, std::move(params)};
}

std::vector<Member> members_in(const std::string& norm, const Params& params) {
  const std::string& version = text_param(params, "version");
  const auto whole = [](int v) { return static_cast<std::int64_t>(v); };
  if (version == "rand")
    return {member("apgd_ce", norm, {{"eot", whole(20)}}), member("apgd_dlr", norm, {{"eot", whole(20)}})};
  if (version == "plus")
    return {member("apgd_ce", norm, {{"restarts", whole(5)}}),
            member("apgd_dlr", norm, {{"restarts", whole(5)}}),
            member("fab", norm, {{"restarts", whole(5)}}),
            member("square", norm),
            member("apgd_t", norm),
            member("fab_t", norm)};
  const bool l1 = norm == "l1";
  return {member("apgd_ce", norm, {{"restarts", whole(l1 ? 5 : 1)}}),
          member("apgd_t", norm, {{"targets", whole(l1 ? 5 : 9)}}), member("fab_t", norm), member("square", norm)};
}
template <int norm>
std::vector<Member> members(const Params& params) {
  static constexpr const char* kNorms[] = {"linf", "l2", "l1"};
  return members_in(kNorms[norm], params);
}

template <int norm>
AttackEntry entry(const char* name, double largest) {
  return {
      "APGD, targeted APGD, targeted FAB and Square, each on what the ones before left standing",
      name,
      {{"epsilon", ParamType::real, "radius of the ball, pixels in [0, 1]", {}, 0.0, largest, {}, {}},
       {"version",
        ParamType::text,
        "standard; plus: more restarts, APGD on DLR and untargeted FAB too; rand: for randomised models",
        "standard",
        {},
        {},
        {"standard", "plus", "rand"},
        {}}},
      nullptr,
      nullptr,
      norm == 2 ? "Croce & Hein 2021, arXiv:2103.01208, section 5" : "Croce & Hein 2020, arXiv:2003.01690, section 5",
      members<norm>};
}
const Registry<AttackEntry>::Add add_linf{"autoattack_linf", entry<0>("linf", 1)};
const Registry<AttackEntry>::Add add_l2{"autoattack_l2", entry<1>("l2", 1e6)};
const Registry<AttackEntry>::Add add_l1{"autoattack_l1", entry<2>("l1", 1e9)};

}  // namespace
}  // namespace assay
