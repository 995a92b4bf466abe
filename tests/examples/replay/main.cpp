// SPDX-License-Identifier: Apache-2.0
// Q-learning as LibTorch's users write it: a policy and a target network, a replay buffer that goes round, a
// generator of the program's own kept as text, numbers of all kinds, and draws from LibTorch's default
// generator between the verbs.
#include <lockstep/lockstep.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace nn = torch::nn;

constexpr std::int64_t kRows = 200;  // of the replay buffer: state (3), action, reward, next state (3)

nn::Sequential network() {
  return nn::Sequential(nn::Linear(3, 24), nn::Tanh(), nn::Linear(24, 2));
}

void copy(nn::Sequential& from, nn::Sequential& to) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < from->parameters().size(); ++i)
    to->parameters()[i].copy_(from->parameters()[i]);
}

// A ball on a bowl, pushed left or right.
struct Bowl {
  double place = 0.3, speed = 0;
  torch::Tensor seen() const {
    return torch::tensor({static_cast<float>(place), static_cast<float>(speed), 1.0f});
  }
  void push(bool right) {
    speed += (right ? 0.1 : -0.1) - 0.05 * place;
    place += speed * 0.2;
    if (std::abs(place) > 1) place = 0.1, speed = 0;
  }
};

torch::Tensor loss_of(nn::Sequential& policy, nn::Sequential& target, const torch::Tensor& rows) {
  torch::Tensor best;
  {
    const torch::NoGradGuard no_grad;
    best = std::get<0>(target->forward(rows.narrow(1, 5, 3)).max(1));
  }
  const torch::Tensor action = rows.select(1, 3).to(torch::kInt64).unsqueeze(1);
  const torch::Tensor value = policy->forward(rows.narrow(1, 0, 3)).gather(1, action).squeeze(1);
  return torch::smooth_l1_loss(value, rows.select(1, 4) + 0.9 * best);
}

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string directory = argv[1];
  const std::int64_t steps = std::stoll(argv[2]);
  return lockstep::run_job([&](lockstep::Session& session) {
    torch::manual_seed(6);
    nn::Sequential policy = network(), target = network();
    lockstep::DataParallel parallel(session, *policy, {.micro_batches = 4, .seed = 1});
    copy(policy, target);
    torch::optim::Adam optimizer(policy->parameters(), torch::optim::AdamOptions(1e-3));
    Bowl world;
    torch::Tensor replay = torch::zeros({kRows, 8});
    std::int64_t pushes = 0;
    float epsilon = 1;
    bool warm = false;
    std::mt19937 dice(3);
    std::string dice_state;
    lockstep::Checkpoints saves(session, directory, {.steps = steps, .every_steps = 9, .layout = "sharded"});
    saves.add("policy", *policy).add("target", *target).add("optimizer", optimizer).add("replay", replay);
    saves.add("place", world.place).add("speed", world.speed).add("pushes", pushes).add("dice", dice_state);
    saves.add("epsilon", epsilon).add("warm", warm);
    std::int64_t step = saves.resume();
    if (!dice_state.empty()) std::istringstream(dice_state) >> dice;

    for (; step < steps; ++step) {
      for (int push = 0; push < 4; ++push) {
        const torch::Tensor before = world.seen();
        const bool explores = torch::rand({1}).item<float>() < epsilon;
        const std::int64_t action =
            explores ? dice() % 2 : policy->forward(before).argmax().item<std::int64_t>();
        world.push(action == 1);
        const float reward = static_cast<float>(-world.place * world.place);
        replay[pushes++ % kRows] =
            torch::cat({before, torch::tensor({static_cast<float>(action), reward}), world.seen()});
      }
      epsilon = std::max(0.1f, epsilon * 0.98f);
      warm = warm || pushes > 40;
      const torch::Tensor drawn = replay.index_select(0, torch::randint(std::min(pushes, kRows), {32}));
      const double loss = parallel.backward(step, [&](lockstep::MicroBatch m) {
        return loss_of(policy, target, drawn.narrow(0, m.index * 8, 8));
      });
      optimizer.step();
      if (step % 10 == 9) copy(policy, target);
      std::ostringstream now;
      now << dice;
      dice_state = now.str();
      if (saves.after(step, {{"loss", loss}, {"epsilon", epsilon}}) != lockstep::Stop::kNo) return;
    }
  });
}
