// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "cli/binary.h"
#include "exchange/python_files.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CkptExchange : public Binary {
 protected:
  ProcessResult ckpt(std::vector<std::string> words) const {
    words.insert(words.begin(), "ckpt");
    return lockstep(words);
  }
  json ckpt_json(std::vector<std::string> words) const {
    words.push_back("--json");
    const ProcessResult result = ckpt(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  std::string eval(const std::string& weights) const {
    const ProcessResult result = lockstep({"eval", "-c", "run.yaml", "--weights", weights, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }
  std::string hash_of(const std::string& file) const {
    return json::parse(read_file(dir_ / file))["state_hash"].get<std::string>();
  }
};

// There and back again: the same bits, and the run that goes on from them ends as the one that was never
// away.
TEST_F(CkptExchange, WhatIsExportedAndImportedTrainsOnBitForBit) {
  for (const std::vector<std::string>& optimizer :
       {std::vector<std::string>{},
        {"optim.type=sgd", "optim.momentum=0.9", "optim.lr=1e-2"},
        {"optim.groups=[{match: [\"*.bias\"], weight_decay: 0, lr: 5e-3}]"},
        {"optim.groups=[{match: [layers.0.*], frozen: true}]"}}) {
    std::filesystem::remove_all(dir_ / "runs");
    std::filesystem::remove_all(dir_ / "imported");
    std::filesystem::remove(dir_ / "e.pth");
    train(optimizer);
    ckpt_json({"export", "runs/small/ckpt/step-00000008", "--to", "pth", "-o", "e.pth"});
    std::vector<std::string> import = {"import", "e.pth", "-c", "run.yaml", "-o", "imported"};
    import.insert(import.end(), optimizer.begin(), optimizer.end());
    const json made = ckpt_json(import);
    EXPECT_EQ(made["step"], 8);
    EXPECT_EQ(made["state_hash"], hash_of("runs/small/ckpt/step-00000008/manifest.json"));
    EXPECT_EQ(ckpt({"verify", "imported"}).code, 0);
    std::vector<std::string> again = {"run.dir=runs/again", "resume.mode=imported"};
    again.insert(again.end(), optimizer.begin(), optimizer.end());
    train(again);
    EXPECT_EQ(hash_of("runs/again/DONE"), hash_of("runs/small/DONE"));
  }
}

// In the first steps some micro-batches overflow float16 and lower the scale (as in resume/precision_test).
TEST_F(CkptExchange, ALossScaleThatMovedAndTheLossesOfSpikesGoThereAndBack) {
  write_file(dir_ / "run.yaml", R"(version: 1
run: {name: small, seed: 7}
model: {type: mlp, inputs: 16, hidden: [8], outputs: 1, dropout: 0.1}
data: {type: synthetic, samples: 120, input_shape: [16], classes: 0, targets: 1}
train: {steps: 12, global_batch: 6, micro_batch: 1, grad_clip: 1.0, precision: fp16}
optim: {type: adamw, lr: 1e-2}
checkpoint: {async: false, every_steps: 4}
log: {every_steps: 1}
)");
  train();
  const auto extra_of = [&](const std::string& folder) {
    return json::parse(read_file(dir_ / (folder + "/manifest.json")))["extra"];
  };
  const json before = extra_of("runs/small/ckpt/step-00000008");
  ASSERT_LT(before["loss_scaler"]["scale"], 65536);
  ASSERT_GT(before["losses"].size(), 1u);
  ckpt_json({"export", "runs/small/ckpt/step-00000008", "--to", "pth", "-o", "e.pth"});
  const json made = ckpt_json({"import", "e.pth", "-c", "run.yaml", "-o", "imported"});
  EXPECT_THAT(made["said"].dump(), HasSubstr("loss scale goes on at"));
  EXPECT_EQ(made["left_out"], json({"metrics", "metadata"})) << made;
  const json after = extra_of("imported");
  EXPECT_EQ(after["loss_scaler"], before["loss_scaler"]);
  EXPECT_EQ(after["losses"], before["losses"]);
  train({"run.dir=runs/again", "resume.mode=imported"});
  EXPECT_EQ(hash_of("runs/again/DONE"), hash_of("runs/small/DONE"));
  EXPECT_EQ(extra_of("runs/again/ckpt/step-00000012")["loss_scaler"],
            extra_of("runs/small/ckpt/step-00000012")["loss_scaler"]);
  // What torch.amp.GradScaler.load_state_dict() asks for.
  const json values = ckpt_json({"show", "e.pth"})["values"];
  EXPECT_EQ(values["scaler_state_dict.scale"], before["loss_scaler"]["scale"]);
  EXPECT_EQ(values["scaler_state_dict._growth_tracker"], before["loss_scaler"]["good_steps"]);
  EXPECT_EQ(values["scaler_state_dict.growth_factor"], 2.0);
  EXPECT_EQ(values["scaler_state_dict.backoff_factor"], 0.5);
  EXPECT_EQ(values["scaler_state_dict.growth_interval"], 2000);
}

TEST_F(CkptExchange, EvalSaysTheSameOfEveryExport) {
  train();
  const std::string expected = eval("runs/small/ckpt/step-00000012");
  ckpt_json({"export", "runs/small", "--to", "pth", "-o", "full.pth"});
  ckpt_json({"export", "runs/small", "--to", "safetensors", "-o", "w.safetensors"});
  ckpt_json({"export", "runs/small", "--to", "hdf5", "-o", "w.h5", "--weights-only"});
  for (const char* weights : {"full.pth", "w.safetensors", "w.h5"})
    EXPECT_EQ(eval(weights), expected) << weights;
}

TEST_F(CkptExchange, EvalSaysTheSameOfEveryImport) {
  train();
  const std::string expected = eval("runs/small/ckpt/step-00000012");
  ckpt_json({"export", "runs/small", "--to", "pth", "-o", "w.pth", "--weights-only"});
  ckpt_json({"export", "runs/small", "--to", "safetensors", "-o", "shards", "--max-shard-size", "1KB"});
  ckpt_json({"import", "w.pth", "-o", "from-pth.h5"});
  ckpt_json({"import", "shards/model.safetensors.index.json", "-o", "from-shards.h5"});
  ckpt_json({"import", "from-pth.h5", "-o", "from-hdf5.h5"});
  for (const char* weights : {"from-shards.h5", "from-hdf5.h5"})
    EXPECT_EQ(eval(weights), expected) << weights;
}

TEST_F(CkptExchange, ExportOfARunSaysThatItIsTheNewestAndWhichIsTheBest) {
  // Made worse from the first evaluation on.
  train({"checkpoint.keep_best={metric: valid_loss, mode: max, count: 1}", "train.eval_every=2"});
  const std::string best = ckpt_json({"show", "runs/small/ckpt/best"})["step"].dump();
  ASSERT_NE(best, "12");
  const ProcessResult newest = ckpt({"export", "runs/small", "--to", "pth", "--weights-only", "-o", "n.pth"});
  EXPECT_THAT(newest.out,
              HasSubstr("of step 12 (the newest; the best is step " + best + ": runs/small/ckpt/best)"));
  EXPECT_THAT(ckpt({"export", "runs/small/ckpt", "--to", "pth", "-o", "m.pth"}).out,
              HasSubstr("is step " + best + ": runs/small/ckpt/best)"));
  const std::string chosen =
      ckpt({"export", "runs/small/ckpt/best", "--to", "pth", "--weights-only", "-o", "b.pth"}).out;
  EXPECT_THAT(chosen, HasSubstr("of step " + best + ", "));
  EXPECT_EQ(eval("b.pth"), eval("runs/small/weights.h5")) << "weights.h5 is of the best";
  expect_refused(
      ckpt({"export", "runs/small/weights.h5", "--to", "pth", "-o", "w.pth"}), 66,
      {"no checkpoint, but a file of HDF5", "lockstep ckpt export runs/small/ckpt/best --weights-only"});
}

TEST_F(CkptExchange, ExportPrintsTheLinesThatReadIt) {
  train();
  EXPECT_THAT(ckpt({"export", "runs/small", "--to", "pth", "-o", "full.pth"}).out,
              HasSubstr("checkpoint = torch.load(\"full.pth\", weights_only=True)"));
  EXPECT_THAT(ckpt({"export", "runs/small", "--to", "safetensors", "-o", "w.safetensors"}).out,
              HasSubstr("load_model(model, \"w.safetensors\")"));
  EXPECT_THAT(ckpt({"export", "runs/small", "--to", "hdf5", "-o", "all.h5"}).out,
              HasSubstr("h5py.File(\"all.h5\")"));
}

TEST_F(CkptExchange, ShowListsTheTensorsOfAFileOfAnyModel) {
  const std::string data = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/exchange/data/";
  const json shown = ckpt_json({"show", data + "adamw.legacy.pth"});
  EXPECT_EQ(shown["format"], "pth (legacy)");
  EXPECT_EQ(shown["tensors"].size(), 27u);
  EXPECT_EQ(shown["tensors"][0]["name"], "model_state_dict.0.weight");
  EXPECT_EQ(shown["tensors"][0]["shape"], (json{4, 3}));
  EXPECT_EQ(shown["values"]["epoch"], 4);
  EXPECT_EQ(shown["values"]["optimizer_state_dict.param_groups.0.betas.1"], 0.999);
  EXPECT_THAT(ckpt({"show", data + "all.pth"}).out, HasSubstr("tied "));
  EXPECT_THAT(ckpt({"show", data + "complex.pth"}).out, HasSubstr("complex64"));
  EXPECT_THAT(ckpt({"show", data + "all.safetensors"}).out, HasSubstr("format  safetensors"));
  EXPECT_EQ(ckpt({"import", data + "all.pth", "-o", "w.h5"}).code, 0);
  EXPECT_EQ(ckpt_json({"show", "w.h5"})["tensors"].size(), 23u);
}

TEST_F(CkptExchange, AFileThatDoesNotFitIsRefusedWithTensorAndShapes) {
  train();
  ckpt_json({"export", "runs/small", "--to", "pth", "-o", "e.pth"});
  expect_refused(ckpt({"import", "e.pth", "-c", "run.yaml", "-o", "x", "model.hidden=[9]"}), 78,
                 {"layers.0.weight", "[8, 16]", "[9, 16]"});
  expect_refused(ckpt({"import", "e.pth", "-c", "run.yaml", "-o", "x", "train.dtype=float64"}), 78,
                 {"float32", "float64"});
  expect_refused(
      ckpt({"import", "e.pth", "-c", "run.yaml", "-o", "x", "optim.type=sgd", "optim.momentum=0.9"}), 78,
      {"momentum_buffer"});
  expect_refused(ckpt({"import", "e.pth", "-c", "run.yaml", "-o", "x", "model.hidden=[8,8]"}), 78,
                 {"layers."});
  ckpt_json({"export", "runs/small", "--to", "pth", "-o", "w.pth", "--weights-only"});
  expect_refused(ckpt({"import", "w.pth", "-c", "run.yaml", "-o", "x"}), 65,
                 {"no optimizer state", "model.weights=w.pth"});
  EXPECT_FALSE(std::filesystem::exists(dir_ / "x"));
}

TEST_F(CkptExchange, KeysAreFoundOrNamed) {
  const std::string data = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/exchange/data/";
  EXPECT_EQ(ckpt_json({"import", data + "sgd.pth", "-o", "a.h5"})["model_key"], "model_state_dict");
  EXPECT_EQ(ckpt_json({"import", data + "data_parallel.pth", "-o", "b.h5"})["said"].size(), 1u);
  expect_refused(ckpt({"import", data + "sgd.pth", "-o", "c.h5", "--model-key", "net"}), 65,
                 {"net", "model_state_dict"});
}

TEST_F(CkptExchange, OptionsWithoutEffectAndExistingOutputsAreUsageErrors) {
  train();
  expect_refused(ckpt({"export", "runs/small", "--to", "pth", "-o", "e.pth", "--max-shard-size", "1MB"}), 64,
                 {"--max-shard-size"});
  expect_refused(ckpt({"import", "run.yaml", "-o", "w.h5", "optim.lr=1"}), 64, {"-c"});
  expect_refused(ckpt({"export", "runs/small", "--to", "pth", "-o", "run.yaml"}), 64, {"there already"});
  EXPECT_EQ(ckpt({"export", "runs/small", "--to", "onnx", "-o", "e"}).code, 64);
  expect_refused(ckpt({"import", "nothing.pth", "-o", "w.h5"}), 66, {"nothing.pth"});
}

TEST_F(CkptExchange, AHostileFileIsRefusedByNameAndNothingIsCalled) {
  const std::string pickle = PickleText()
                                 .global("os", "system")
                                 .text("touch " + (dir_ / "called"))
                                 .op(Opcode::kTuple1)
                                 .op(Opcode::kReduce)
                                 .stop();
  const Bytes bytes = pth_with(pickle);
  write_file(dir_ / "evil.pth", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  for (const std::vector<std::string>& words : {std::vector<std::string>{"show", "evil.pth"},
                                                {"import", "evil.pth", "-o", "w.h5"},
                                                {"import", "evil.pth", "-c", "run.yaml", "-o", "x"}})
    expect_refused(ckpt(words), 65, {"os.system", "never called"});
  EXPECT_FALSE(std::filesystem::exists(dir_ / "called"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "w.h5"));
}

}  // namespace
}  // namespace lockstep::testing
