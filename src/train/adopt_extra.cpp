// SPDX-License-Identifier: Apache-2.0
#include "train/adopt_extra.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "exchange/formats/json_value.h"
#include "exchange/grad_scaler.h"
#include "lockstep/base/error.h"
#include "lockstep/optim/loss_scaler.h"
#include "train/left_out.h"
#include "train/setbacks.h"
#include "untrusted/refusal.h"

namespace lockstep {
namespace {

const char* const kExtra = "extra";

// A key `extra` may be anybody's: ours stands beside all that an export has.
const PyValue* own_extra(const PyValue& root) {
  for (const char* key :
       {"epoch", "step", "model_state_dict", "optimizer_state_dict", "loss", "metrics", "metadata"})
    if (root.find(key) == nullptr) return nullptr;
  const PyValue* extra = root.find(kExtra);
  return extra != nullptr && extra->is_dict() ? extra : nullptr;
}

class Extra {
 public:
  Extra(const ForeignFile& file, const std::string& origin)
      : file_(file), origin_(origin), own_(own_extra(file.root())) {}

  AdoptedExtra take(bool scales) {
    if (scales) take_scale();
    take_losses();
    take_left_out();
    out_.record = record_.dump();
    if (own_ == nullptr) return std::move(out_);
    out_.keys.insert(kExtra);
    // A run that goes on here is checked here, and has gradients of its own.
    taken_.insert({"model_check", "grad_norm"});
    for (std::size_t i = 0; i < own_->items.size(); i += 2)
      if (own_->items[i]->is_text() && !taken_.contains(own_->items[i]->text))
        out_.unused.push_back(fmt::format("{}.{}", kExtra, own_->items[i]->text));
    return std::move(out_);
  }

 private:
  // A member of our own `extra`, as JSON; null where there is none.
  nlohmann::json member(const char* name) const {
    const PyValue* value = own_ == nullptr ? nullptr : own_->find(name);
    return value == nullptr ? nlohmann::json() : nlohmann::json(json_of(*value));
  }

  // Keys of the file with a GradScaler's state.
  std::vector<std::string> scaler_keys() const {
    std::vector<std::string> keys;
    const PyValue& root = file_.root();
    for (std::size_t i = 0; root.is_dict() && i < root.items.size(); i += 2)
      if (root.items[i]->is_text() && is_python_scaler(*root.items[i + 1]))
        keys.push_back(root.items[i]->text);
    return keys;
  }

  void take_scale() {
    const nlohmann::json own = member(kLossScaler);
    const std::vector<std::string> keys = scaler_keys();
    std::optional<GradScaler> scaler = scaler_of(nlohmann::json{{kLossScaler, own}}.dump());
    std::string from = fmt::format("{}.{}", kExtra, kLossScaler);
    if (keys.size() > 1)
      throw Fault(ExitCode::kNoValidCheckpoint,
                  fmt::format("{}: it has {} GradScalers, and a run of Lockstep one loss scale", origin_,
                              keys.size()),
                  "Save it with one of them");
    if (keys.size() == 1) {
      from = keys.front();
      scaler = read_python_scaler(*file_.root().find(from), file_, origin_);
      out_.keys.insert(from);
    }
    if (!scaler) {
      out_.differences.push_back(
          fmt::format("loss scale: none in the file, so that it starts anew at {}", LossScaler::kFirstScale));
      return;
    }
    taken_.insert(kLossScaler);
    const auto overflows = own.is_object() ? own.value("overflows", nlohmann::json(0)) : nlohmann::json(0);
    record_[kLossScaler] = {{"scale", scaler->scale},
                            {"good_steps", scaler->growth_tracker},
                            {"overflows", overflows.is_number() ? overflows.get<double>() : 0}};
    out_.said.push_back(fmt::format("the loss scale goes on at {}, with {} steps since it changed ({})",
                                    scaler->scale, scaler->growth_tracker, from));
    tell("growth_factor", scaler->growth_factor, LossScaler::kGrowth);
    tell("backoff_factor", scaler->backoff_factor, LossScaler::kBackoff);
    tell("growth_interval", static_cast<double>(scaler->growth_interval),
         static_cast<double>(LossScaler::kGrowthInterval));
  }

  void tell(const char* what, double given, double ours) {
    if (given != ours)
      out_.differences.push_back(fmt::format(
          "{} of the loss scale: {} in the file, {} in Lockstep, which counts", what, given, ours));
  }

  void take_losses() {
    const nlohmann::json losses = member(Setbacks::kLosses);
    if (!losses.is_array()) return;
    for (const auto& loss : losses)
      if (!loss.is_number()) refuse_bytes(origin_, "its extra.losses are no numbers");
    taken_.insert(Setbacks::kLosses);
    record_[Setbacks::kLosses] = losses;
    out_.said.push_back(fmt::format("on_spike goes on from its last {} losses", losses.size()));
  }

  void take_left_out() {
    const nlohmann::json record = member(Setbacks::kRecord);
    if (record.is_null()) return;
    try {
      LeftOut::decode(record.dump());
    } catch (const Fault&) {
      refuse_bytes(origin_, "its record of steps that are left out cannot be read");
    }
    taken_.insert(Setbacks::kRecord);
    record_[Setbacks::kRecord] = record;
    out_.said.push_back("its record of steps that are left out goes on");
  }

  const ForeignFile& file_;
  const std::string& origin_;
  const PyValue* own_;  // null: Lockstep did not write it, or there was nothing
  nlohmann::json record_ = nlohmann::json::object();
  std::set<std::string> taken_;
  AdoptedExtra out_;
};

}  // namespace

AdoptedExtra adopt_extra(const ForeignFile& file, const std::string& precision, const std::string& origin) {
  return Extra(file, origin).take(precision == "fp16");
}

}  // namespace lockstep
