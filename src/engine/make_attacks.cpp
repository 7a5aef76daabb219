#include "engine/make_attacks.hpp"

#include <fmt/format.h>

#include "assay/attack.hpp"
#include "assay/core/error.hpp"
#include "assay/loss.hpp"
#include "assay/sweep.hpp"
#include "engine/check_params.hpp"

namespace assay {

std::vector<std::unique_ptr<Attack>> make_attacks(const std::string& name, const Params& params) {
  const AttackEntry& entry = *Registry<AttackEntry>::find(name);
  std::vector<std::unique_ptr<Attack>> attacks;
  if (entry.make != nullptr) {
    attacks.push_back(entry.make(params));
    Attack& attack = *attacks.front();
    attack.aim = aim_of(params);
    if (attack.aim && !attack.loss.empty()) attack.loss = Registry<Loss>::find(attack.loss)->towards;
    return attacks;
  }
  for (Member& member : entry.members(params)) {
    if (!member.params.emplace("epsilon", params.at("epsilon")).second)
      throw Error(ExitCode::usage, fmt::format("{}: members: '{}' has an epsilon, but all members have the ensemble's",
                                               name, member.name));
    const Perturbation one =
        check_perturbation(Perturbation::Kind::attack, member.name, std::move(member.params), name + ": members");
    const AttackEntry& its = *Registry<AttackEntry>::find(one.name);
    if (its.make == nullptr || its.norm != entry.norm)
      throw Error(ExitCode::usage,
                  fmt::format("{}: members: '{}' is {}, expected single attacks in {}", name, one.name,
                              its.make == nullptr ? "an ensemble itself" : "an attack in " + its.norm, entry.norm));
    if (!start_file(one.params).empty())
      throw Error(
          ExitCode::usage,
          fmt::format("{}: members: '{}' has a start, but starting points are for single attacks", name, one.name));
    if (aim_of(one.params))
      throw Error(ExitCode::usage, fmt::format("{}: members: '{}' has a target, but an ensemble's success is any class "
                                               "but the label",
                                               name, one.name));
    attacks.push_back(its.make(one.params));
  }
  return attacks;
}

void check_classes(const Perturbation& perturbation, int classes, const std::string& model) {
  if (perturbation.kind != Perturbation::Kind::attack) return;
  for (const auto& attack : make_attacks(perturbation.name, perturbation.params)) {
    const Loss* loss = Registry<Loss>::find(attack->loss);
    if (loss != nullptr && classes < loss->min_classes)
      throw Error(ExitCode::usage,
                  fmt::format("attack '{}' maximises the loss '{}', which needs at least {} classes, but {} has {}",
                              attack->name, attack->loss, loss->min_classes, model, classes),
                  "choose another loss, or an ensemble of attacks without it");
    if (attack->aim.at == Aim::At::number && attack->aim.number >= classes)
      throw Error(ExitCode::usage, fmt::format("attack '{}' has target {}, but {} has {} classes, 0 to {}",
                                               attack->name, attack->aim.number, model, classes, classes - 1));
  }
}

}  // namespace assay
