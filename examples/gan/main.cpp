// SPDX-License-Identifier: Apache-2.0
// Two modules, two optimizers, one loop: a generator learns a ring in the plane from a discriminator. Each
// backward() leaves the other module's gradients as they were.
#include <lockstep/lockstep.h>
#include <torch/torch.h>

#include <string>

namespace nn = torch::nn;

constexpr std::int64_t kSamples = 32;  // of a micro-batch

// Points on a ring; which ones is a function of step and micro-batch.
torch::Tensor real_points(lockstep::MicroBatch m) {
  const std::int64_t first = (m.step * m.count + m.index) * kSamples;
  const torch::Tensor angle = torch::arange(first, first + kSamples, torch::kFloat32) * 2.399963f;
  return torch::stack({torch::cos(angle), torch::sin(angle)}, 1);
}

torch::Tensor says(nn::Sequential& discriminator, const torch::Tensor& points, float truth) {
  const torch::Tensor answer = discriminator->forward(points);
  return torch::binary_cross_entropy_with_logits(answer, torch::full_like(answer, truth));
}

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "runs/gan";
  const std::int64_t steps = argc > 2 ? std::stoll(argv[2]) : 200;
  return lockstep::run_job([&](lockstep::Session& session) {
    torch::manual_seed(3);
    nn::Sequential generator(nn::Linear(4, 32), nn::ReLU(), nn::Linear(32, 2));
    nn::Sequential discriminator(nn::Linear(2, 32), nn::LeakyReLU(), nn::Linear(32, 1));
    torch::optim::Adam learns_to_make(generator->parameters(), torch::optim::AdamOptions(1e-3));
    torch::optim::Adam learns_to_tell(discriminator->parameters(), torch::optim::AdamOptions(1e-3));
    lockstep::DataParallel make(session, *generator, {.micro_batches = 4, .seed = 1});
    lockstep::DataParallel tell(session, *discriminator, {.micro_batches = 4, .seed = 2});
    lockstep::Checkpoints saves(session, directory, {.steps = steps, .every_steps = 20});
    saves.add("generator", *generator).add("discriminator", *discriminator);
    saves.add("make", learns_to_make).add("tell", learns_to_tell);

    for (std::int64_t step = saves.resume(); step < steps; ++step) {
      const double telling = tell.backward(step, [&](lockstep::MicroBatch m) {
        const torch::Tensor made = generator->forward(torch::randn({kSamples, 4})).detach();
        return says(discriminator, real_points(m), 1) + says(discriminator, made, 0);
      });
      learns_to_tell.step();
      const double making = make.backward(step, [&](lockstep::MicroBatch) {
        return says(discriminator, generator->forward(torch::randn({kSamples, 4})), 1);
      });
      learns_to_make.step();
      if (saves.after(step, {{"loss", telling + making}, {"telling", telling}, {"making", making}}) !=
          lockstep::Stop::kNo)
        return;
    }
  });
}
