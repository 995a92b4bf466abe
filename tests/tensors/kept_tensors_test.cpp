// SPDX-License-Identifier: Apache-2.0
#include "tensors/kept_tensors.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torch/torch.h>

#include <thread>

#include "support/page_faults.h"
#include "tensors/birthplace.h"

namespace lockstep {
namespace {

// How a function ends in a child that forks; 0 for true.
template <class Work>
int in_child(const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    at::set_num_threads(1);  // it has no others
    ::_exit(work() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Birthplace, HasTensorsOfItsLengthsReadByWhoHasTheDescriptorAndLeftAloneByAChild) {
  const auto share = [] {
    if (!keep_tensors()) return false;
    const auto place = Birthplace::make({4u << 20}, 8u << 20);
    if (place == nullptr) return false;
    const KeptMemory& memory = place->memory();
    const torch::Tensor other_length = torch::full({(1 << 20) + 1}, 3.0);
    if (memory.owns(other_length.data_ptr())) return false;
    const torch::Tensor tensor = torch::full({1 << 20}, 3.0);
    void* other = ::mmap(nullptr, memory.size(), PROT_READ, MAP_SHARED, memory.descriptor(), 0);
    if (other == MAP_FAILED) return false;
    const auto offset = memory.offset_of(tensor.data_ptr()).value();
    const auto* seen = reinterpret_cast<const float*>(static_cast<const std::byte*>(other) + offset);
    torch::Tensor shared = tensor;
    const auto in_grandchild = [&] {
      const torch::Tensor own = torch::full({1 << 20}, 4.0);
      shared.reset();
      return !memory.owns(own.data_ptr()) && own[5].item<float>() == 4;
    };
    if (in_child(in_grandchild) != 0) return false;
    return seen[(1 << 20) - 1] == 3 && tensor[9].item<float>() == 3 && memory.use().in_use == 4u << 20;
  };
  EXPECT_EQ(in_child(share), 0);
}

TEST(Birthplace, IsGoneWithTheLastOfItsTensors) {
  ASSERT_TRUE(keep_tensors());
  auto place = Birthplace::make({1u << 20}, 1u << 20);
  ASSERT_NE(place, nullptr);
  torch::Tensor born = torch::full({1 << 18}, 7.0f);
  ASSERT_TRUE(place->memory().owns(born.data_ptr()));
  const void* const where = born.data_ptr();
  place.reset();
  EXPECT_EQ(born[(1 << 18) - 1].item<float>(), 7);
  EXPECT_TRUE(kept_tensors()->owns(torch::zeros({1 << 18}).data_ptr())) << "others are made elsewhere";
  unsigned char resident = 0;
  EXPECT_EQ(::mincore(const_cast<void*>(where), 4096, &resident), 0);
  born.reset();
  EXPECT_NE(::mincore(const_cast<void*>(where), 4096, &resident), 0) << "still mapped";
}

class KeptTensors : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);  // a child that forks has no others
    ASSERT_TRUE(keep_tensors());
  }
};

TEST_F(KeptTensors, LieInTheRangeFrom64KiBOn) {
  const torch::Tensor small = torch::zeros({16 * 1024 - 1});
  const torch::Tensor large = torch::zeros({16 * 1024});
  EXPECT_FALSE(kept_tensors()->owns(small.data_ptr()));
  EXPECT_TRUE(kept_tensors()->owns(large.data_ptr()));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small.data_ptr()) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large.data_ptr()) % 4096, 0u);
}

TEST_F(KeptTensors, OfNothingAreEmpty) {
  const torch::Tensor none = torch::empty({0});
  EXPECT_EQ(none.data_ptr(), nullptr);
  EXPECT_EQ(none.numel(), 0);
}

TEST_F(KeptTensors, AreZeroedWhereTheyShouldBe) {
  torch::full({1 << 20}, 7.0);  // leaves its values behind
  EXPECT_EQ(torch::zeros({1 << 20}).abs().sum().item<float>(), 0);
}

TEST_F(KeptTensors, MayBeMadeFreedAndResizedByTheRawInterface) {
  c10::Allocator* allocator = c10::GetCPUAllocator();
  for (const std::size_t bytes : {100ul, 1ul << 20}) {
    void* place = allocator->raw_allocate(bytes);
    ASSERT_NE(place, nullptr);
    allocator->raw_deallocate(place);
  }
  torch::Tensor grows = torch::ones({1000});
  grows.resize_({1 << 20});
  EXPECT_TRUE(kept_tensors()->owns(grows.data_ptr()));
  EXPECT_EQ(grows[999].item<float>(), 1);
}

TEST_F(KeptTensors, ThatWereMadeBeforeTheSwitchAreFreedAfterIt) {
  const std::size_t before = kept_tensors()->use().in_use;
  torch::Tensor kept = torch::ones({1 << 20});
  stop_keeping_tensors();
  torch::Tensor ordinary = torch::ones({1 << 20});
  EXPECT_FALSE(kept_tensors()->owns(ordinary.data_ptr()));
  kept.reset();
  EXPECT_EQ(kept_tensors()->use().in_use, before);
  ASSERT_TRUE(keep_tensors());
  ordinary.reset();
  EXPECT_TRUE(kept_tensors()->owns(torch::ones({1 << 20}).data_ptr()));
}

TEST_F(KeptTensors, ThatAskForMoreThanThereIsEndInLibTorchsWords) {
  try {
    torch::empty({std::int64_t{1} << 46}, torch::kUInt8);
    FAIL() << "64 TiB were given";
  } catch (const c10::Error& error) {
    EXPECT_NE(
        std::string(error.what()).find("can't allocate memory: you tried to allocate 70368744177664 bytes"),
        std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(kept_tensors()->owns(torch::ones({1 << 20}).data_ptr()));
}

TEST_F(KeptTensors, ForWhichTheRangeHasNoPlaceComeFromMalloc) {
  const auto most = static_cast<std::int64_t>(kept_tensors()->size() / 10 * 9);
  const torch::Tensor large = torch::empty({most}, torch::kUInt8);  // never touched
  ASSERT_TRUE(kept_tensors()->owns(large.data_ptr()));
  const torch::Tensor other = torch::empty({most / 8}, torch::kUInt8);
  EXPECT_FALSE(kept_tensors()->owns(other.data_ptr()));
  other[most / 8 - 1] = 7;
  EXPECT_EQ(other[most / 8 - 1].item<int>(), 7);
  EXPECT_TRUE(kept_tensors()->owns(torch::ones({1 << 20}).data_ptr()));
}

// An mlp of 2 million parameters, forward and backward.
struct Step {
  torch::nn::Sequential model{torch::nn::Linear(512, 2048), torch::nn::ReLU(), torch::nn::Linear(2048, 512)};
  torch::Tensor input = torch::ones({32, 512});

  void run() {
    model->zero_grad();
    model->forward(input).pow(2).sum().backward();
    kept_tensors()->trim();
  }
};

TEST_F(KeptTensors, OfASteadyStepHaveNoPageFaults) {
  Step step;
  for (int i = 0; i < 3; ++i) step.run();
  const std::size_t made = kept_tensors()->use().made;
  const long before = page_faults();
  for (int i = 0; i < 10; ++i) step.run();
  EXPECT_LT(page_faults() - before, 100);
  EXPECT_EQ(kept_tensors()->use().made, made);
}

TEST_F(KeptTensors, OfSeveralThreadsDoNotDisturbEachOther) {
  const auto work = [] {
    torch::Tensor sum = torch::zeros({64 * 1024});
    for (int i = 0; i < 200; ++i) sum = sum + torch::ones({64 * 1024});
    EXPECT_TRUE(torch::equal(sum, torch::full({64 * 1024}, 200.0)));
  };
  std::thread first(work), second(work);
  work();
  first.join();
  second.join();
}

TEST_F(KeptTensors, AreAChildsOwnAfterAFork) {
  const torch::Tensor tensor = torch::ones({1 << 20});
  EXPECT_EQ(in_child([&] {
              tensor.fill_(5);
              const torch::Tensor more = torch::full({1 << 20}, 2.0);
              return more[7].item<float>() == 2 && tensor[9].item<float>() == 5;
            }),
            0);
  EXPECT_EQ(tensor[9].item<float>(), 1);
}

// A program's own, which counts.
struct Counting : c10::Allocator {
  int calls = 0;
  c10::DataPtr allocate(std::size_t bytes) override {
    return ++calls, c10::GetDefaultCPUAllocator()->allocate(bytes);
  }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }
};

TEST(KeptTensorsBeside, AnAllocatorOfTheProgramsOwnWins) {
  // In a child: what is set stays set.
  EXPECT_EQ(in_child([] {
              static Counting own;
              c10::SetCPUAllocator(&own, 9);
              const bool kept = keep_tensors();
              const torch::Tensor tensor = torch::ones({1 << 20});
              return !kept && own.calls > 0;
            }),
            0);
}

}  // namespace
}  // namespace lockstep
