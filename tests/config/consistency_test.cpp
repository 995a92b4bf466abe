// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "message.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

struct Clash {
  const char* name;
  const char* text;
  const char* says;

  friend void PrintTo(const Clash& one, std::ostream* out) { *out << one.name; }
};

class Consistency : public ::testing::TestWithParam<Clash> {};

TEST_P(Consistency, RefusesWhatDoesNotFitTogetherAtItsPlace) {
  EXPECT_THAT(refusal_of(GetParam().text), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Table, Consistency,
    ::testing::Values(
        Clash{"NeitherStepsNorEpochs", "run: {seed: 1}",
              "run.yaml: train.steps: neither train.steps nor train.epochs"},
        Clash{"NoData", "train: {steps: 3}\ndata: {shuffle: false}",
              "run.yaml: data.type: is not given: there is nothing to train on. It is one of text, tokens, "
              "idx, "
              "cifar10, hdf5, npz, synthetic; data.type: synthetic makes data up"},
        Clash{"NoDataButItsKeys", "train: {steps: 3}\ndata: {samples: 100}", "data.type: is not given"},
        Clash{"BothStepsAndEpochs", "train:\n  steps: 3\n  epochs: 1",
              "run.yaml:3:3: train.epochs: given beside"},
        Clash{"MicroBatch", "train:\n  steps: 3\n  global_batch: 48\n  micro_batch: 20",
              "run.yaml:4:3: train.micro_batch: train.global_batch (48) is not a multiple of "
              "train.micro_batch (20). "
              "train.global_batch=60 fits"},
        Clash{"RollbackOfNothing", "train: {steps: 3}\non_nan: skip\nrollback: {steps: 5}",
              "run.yaml:3:12: rollback.steps: has no effect while nothing rolls back"},
        Clash{"MoreBatchesThanSteps", "train: {steps: 3}\non_nan: rollback\nrollback: {steps: 5, batches: 6}",
              "rollback.batches: 6 is more than rollback.steps (5)"},
        Clash{"SpikeOff", "train: {steps: 3}\non_spike: {action: off, z: 5}",
              "on_spike.z: has no effect with on_spike.action: off"},
        Clash{"Heads",
              "train: {steps: 3}\nmodel: {type: gpt, heads: 5, width: 64, vocab: 256}\ndata: {type: text, "
              "train: {path: x}}",
              "run.yaml:2:20: model.heads: model.width (64) is not a multiple of model.heads (5). "
              "model.width=65 fits"},
        Clash{"Bf16InFloat64", "train:\n  steps: 3\n  dtype: float64\n  precision: bf16",
              "run.yaml:4:3: train.precision: bf16 beside train.dtype float64"},
        Clash{
            "GraphOnACpu", "train:\n  steps: 3\n  device: cpu\n  cuda_graph: true",
            "run.yaml:4:3: train.cuda_graph: beside train.device: cpu: only a GPU has such graphs. Leave one "
            "of them out"},
        Clash{"GraphWithAScaler", "train: {steps: 3, precision: fp16, cuda_graph: true}",
              "train.cuda_graph: beside train.precision: fp16: its scale changes"},
        Clash{"GraphThatComputesAgain",
              "train: {steps: 3, recompute: blocks, cuda_graph: true}\nmodel: {type: gpt, vocab: 256}\n"
              "data: {type: text, train: {path: x}}",
              "train.cuda_graph: beside train.recompute: blocks"},
        Clash{"GraphWithAnIgnoredLabel",
              "train: {steps: 3, cuda_graph: true}\ndata: {type: synthetic, ignore_label: 0}",
              "train.cuda_graph: beside data.ignore_label: the weight"},
        Clash{"GraphThatOverlaps", "train: {steps: 3, cuda_graph: true}\ndist: {overlap: on}",
              "train.cuda_graph: beside dist.overlap: on"},
        Clash{"BlocksOfAnMlp", "train:\n  steps: 3\n  recompute: blocks",
              "run.yaml:3:3: train.recompute: has no effect with model.type: mlp. It belongs to gpt"},
        Clash{"MomentumWithAdamw", "train: {steps: 3}\noptim: {momentum: 0.9}",
              "run.yaml:2:9: optim.momentum: has no effect with optim.type: adamw. It belongs to sgd"},
        Clash{"BetasWithSgd", "train: {steps: 3}\noptim: {type: sgd, betas: [0.9, 0.99]}",
              "optim.betas: has no effect"},
        Clash{"HiddenWithGpt", "train: {steps: 3}\nmodel: {type: gpt, hidden: [3]}",
              "run.yaml:2:20: model.hidden: has no effect with model.type: gpt"},
        Clash{"GammaWithCosine", "train: {steps: 3}\nschedule: {type: cosine, gamma: 0.5}",
              "schedule.gamma: has no effect"},
        Clash{"FinalLrWithConstant", "train: {steps: 3}\nschedule: {final_lr: 0}",
              "schedule.final_lr: has no effect"},
        Clash{"PathWithIdx", "train: {steps: 3}\ndata: {type: idx, train: {path: x}}",
              "data.train.path: has no effect"},
        Clash{"SamplesWithIdx", "train: {steps: 3}\ndata: {type: idx, samples: 3}",
              "data.samples: has no effect"},
        Clash{"ParamsWithMlp", "train: {steps: 3}\nmodel: {params: {a: 1}}", "model.params: has no effect"},
        Clash{"IdxWithoutLabels", "train: {steps: 3}\ndata: {type: idx, train: {inputs: x}}",
              "run.yaml:2:27: data.train.inputs: data.type idx needs data.train.labels"},
        Clash{"IdxHalfValidation",
              "train: {steps: 3}\ndata: {type: idx, train: {inputs: x, labels: y}, valid: {labels: z}}",
              "data.valid.labels: data.type idx needs data.valid.inputs"},
        Clash{"Cifar10WithoutPath", "train: {steps: 3}\ndata:\n  type: cifar10\nmodel: {type: resnet18}",
              "run.yaml:3:3: data.type: data.type cifar10 needs data.train.path"},
        Clash{"Hdf5WithoutNames", "train: {steps: 3}\ndata: {type: hdf5, train: {path: x}}",
              "needs data.train.inputs"},
        Clash{"TextWithMlp", "train: {steps: 3}\ndata: {type: text, train: {path: x}}",
              "data.type: text gives tokens, which model.type mlp cannot read"},
        Clash{"GptOnImages", "train: {steps: 3}\nmodel: {type: gpt}\ndata: {type: cifar10, train: {path: x}}",
              "model.type: gpt reads tokens, and data.type cifar10 gives none"},
        Clash{"GptOnSynthetic", "train: {steps: 3}\nmodel: {type: gpt}", "gpt reads tokens"},
        Clash{"VocabBelowBytes",
              "train: {steps: 3}\nmodel: {type: gpt, vocab: 255}\ndata: {type: text, train: {path: x}}",
              "run.yaml:2:20: model.vocab: 255 is too few"},
        Clash{"GptWithMse",
              "train: {steps: 3, loss: mse}\nmodel: {type: gpt, vocab: 256}\ndata: {type: text, train: "
              "{path: x}}",
              "train.loss: mse does not fit"},
        Clash{"NormalizeLengths",
              "train: {steps: 3}\nmodel: {type: resnet18}\ndata: {type: cifar10, train: {path: x}, "
              "normalize: {mean: [1, 2, 3], std: [1]}}",
              "data.normalize.std: data.normalize.mean has 3 numbers and data.normalize.std 1"},
        Clash{"NormalizeZero", "train: {steps: 3}\ndata: {type: cifar10, normalize: {std: [0]}}", "each > 0"},
        Clash{"HoldoutBesideValid",
              "train: {steps: 3}\ndata: {type: cifar10, train: {path: x}, valid: {path: y}, holdout_every: "
              "5}\nmodel: {type: resnet18}",
              "data.holdout_every: given beside data.valid"},
        Clash{"HoldoutOfEverything", "train: {steps: 3}\ndata: {type: synthetic, holdout_every: 1}",
              "leaves nothing to train on"},
        Clash{"EvalWithoutData", "train:\n  steps: 3\n  eval_every: 2",
              "run.yaml:3:3: train.eval_every: has no effect without validation data"},
        Clash{"BestWithoutData", "train: {steps: 3}\ncheckpoint: {keep_best: {count: 1}}",
              "has no effect without validation data"},
        Clash{"BestWithoutCount", "train: {steps: 3}\ncheckpoint: {keep_best: {mode: max}}",
              "keep_best.mode: has no effect while"},
        Clash{"BestOfTraining",
              "train: {steps: 3}\ndata: {type: synthetic, holdout_every: 5}\ncheckpoint: {keep_best: "
              "{metric: loss, count: 1}}",
              "'loss' is no metric"},
        Clash{"WarmupTooLong", "train: {steps: 3}\nschedule: {warmup_steps: 4}",
              "schedule.warmup_steps: 4 is more than train.steps (3)"},
        Clash{"StepWithoutSize", "train: {steps: 3}\nschedule: {type: step}",
              "schedule.type: step needs schedule.step_size"},
        Clash{"NesterovAlone", "train: {steps: 3}\noptim: {type: sgd, nesterov: true}",
              "optim.nesterov: needs optim.momentum > 0"},
        Clash{"NcclOnCpu", "train: {steps: 3, device: cpu}\ndist: {backend: nccl}",
              "dist.backend: nccl moves data between GPUs"},
        Clash{"AllowUnknown", "train: {steps: 3}\nresume: {allow_changes: [train.global_bach]}",
              "Did you mean train.global_batch?"},
        Clash{"AllowFree", "train: {steps: 3}\nresume: {allow_changes: [optim.lr]}",
              "optim.lr may change on resume anyway"},
        Clash{"NameWithSlash", "train: {steps: 3}\nrun: {name: ../x}", "does not make a folder name"},
        Clash{"InputShape", "train: {steps: 3}\ndata: {type: synthetic, input_shape: [3, 3]}",
              "data.input_shape: [3, 3] is 9 values and model.inputs is 784"},
        Clash{
            "FieldsAndInputs",
            "train: {steps: 3}\ndata: {type: hdf5, train: {path: a.h5, inputs: /x}, fields: {x: /x, y: /y}}",
            "data.train.inputs: given beside data.fields"},
        Clash{"LengthsWithoutFields",
              "train: {steps: 3}\ndata: {type: hdf5, train: {path: a.h5, inputs: /x, labels: /y}, lengths: "
              "{x: n}}",
              "data.lengths: has no effect without data.fields"},
        Clash{"TargetOfNoField",
              "train: {steps: 3}\ndata: {type: npz, train: {path: a.npz}, fields: {x: x, y: y}, target: z}",
              "data.target: z is no field of data.fields"},
        Clash{"LengthsOfNoField",
              "train: {steps: 3}\ndata: {type: npz, train: {path: a.npz}, fields: {x: x, y: y}, lengths: {z: "
              "n}}",
              "data.lengths: z is no field of data.fields"},
        Clash{"FieldsOfImages", "train: {steps: 3}\ndata: {type: cifar10, train: {path: a}, fields: {x: x}}",
              "data.fields"},
        Clash{"Classes", "train: {steps: 3}\ndata: {type: synthetic, classes: 3}",
              "data.classes: 3 and model.outputs is 10"},
        Clash{"TargetsOfClasses", "train: {steps: 3}\ndata: {type: synthetic, classes: 10, targets: 2}",
              "data.targets: has no effect"},
        Clash{"MseOnClasses", "train: {steps: 3, loss: mse}\ndata: {type: synthetic, classes: 10}",
              "train.loss: mse with 10 data.classes"},
        Clash{"CrossEntropyOnNumbers",
              "train: {steps: 3, loss: cross_entropy}\ndata: {type: synthetic, classes: 0}",
              "cross_entropy with data.classes 0"}),
    [](const auto& info) { return info.param.name; });

TEST(ConsistencyOfDefaults, LetsThemBeWrittenOut) {
  EXPECT_NO_THROW(
      load_text("train: {steps: 3, eval_every: 0}\ncheckpoint: {keep_best: {metric: valid_loss, mode: min, "
                "count: 0}}\n"));
}

}  // namespace
}  // namespace lockstep
