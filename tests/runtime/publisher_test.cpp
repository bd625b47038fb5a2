// What a process says of itself, and when.
#include "runtime/publisher.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "runtime/process_document.h"
#include "stage.h"

namespace softndk::stack {
namespace {

runtime::SettingValues settings() {
  return setting_values("default", {});
}

std::string text_of(const Array<char>& document) {
  return {document.begin(), document.size()};
}

TEST(ProcessDocument, ShowsConnectionsWithTheirTcpTupleAndListeners) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const std::string text = text_of(runtime::describe_process(*stage.runtime, settings(), 4711));
    const std::string listens = "127.0.0.1:" + std::to_string(pair.at.port());
    const std::string connected = "127.0.0.1:" + std::to_string(pair.active.local_address().port());
    EXPECT_THAT(text, testing::StartsWith(R"({"schema":1,"document":"softndk-process","pid":4711,)"));
    EXPECT_THAT(text, testing::HasSubstr(R"({"mode":"kernel","owner_pid":0,"local":")" + connected +
                                         R"(","foreign":")" + listens + R"(","tcp_local":")" + connected +
                                         R"(","tcp_foreign":")" + listens + R"("})"));
    EXPECT_THAT(text, testing::HasSubstr(R"({"type":"listener","mode":"kernel","owner_pid":0,"local":")" + listens +
                                         R"(","tcp_local":")" + listens + R"("})"));
    EXPECT_THAT(text, testing::HasSubstr(R"("counters":{"connect":1,"accept":1,"connect_failure":0,)"));
    EXPECT_THAT(text, testing::HasSubstr(R"({"name":"crc","value":"on"})"));
    EXPECT_THAT(text, testing::HasSubstr(R"("max_caller_data_bytes":252,)"));
    EXPECT_THAT(text, testing::EndsWith("]}"));
  });
}

/// A server without sockets: readers are a task of a processor.
class FakeServer final : public io::DocumentServer {
 public:
  struct Task : io::Task {
    Task(FakeServer& of, Run run) : io::Task(run), server(of) {}
    FakeServer& server;
  };
  FakeServer(io::Processor& processor, std::vector<std::string>& answers)
      : processor_(processor),
        answers_(answers),
        ask_(*this, [](io::Task& task) noexcept { static_cast<Task&>(task).server.source->on_readers(); }),
        close_(*this, [](io::Task& task) noexcept { static_cast<Task&>(task).server.source->on_server_closed(); }) {}
  expected<void, io::IoError> start() noexcept override {
    if (fails_to_start) return unexpected(io::IoError::no_resources);
    return {};
  }
  void answer(Array<char> document) noexcept override {
    EXPECT_FALSE(closed_) << "an answer after close()";
    answers_.push_back(text_of(document));
    answered.set();
  }
  void close() noexcept override {
    closed_ = true;
    processor_.post(close_);
  }
  void ask() { processor_.post(ask_); }

  io::DocumentSource* source = nullptr;
  bool fails_to_start = false;
  Event answered;

 private:
  io::Processor& processor_;
  std::vector<std::string>& answers_;
  Task ask_, close_;
  std::atomic<bool> closed_{false};
};

TEST(Publisher, AnswersReadersFromAWorkerAndStopsWithTheKernel) {
  for (const bool leave_while_asked : {false, true}) {
    std::vector<std::string> answers;
    Owned<runtime::Publisher> publisher;
    in_simulation(20, [&](Stage& stage) {
      answers.clear();
      publisher = try_make<runtime::Publisher>(*stage.runtime, settings(), 7);
      auto made = make_interface<FakeServer>(stage.world.executor.processor(0), answers);
      FakeServer& server = *made;
      server.source = publisher.get();
      ASSERT_TRUE(publisher->start(std::move(made)));
      server.ask();
      ASSERT_TRUE(server.answered.wait());
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_THAT(answers[0], testing::HasSubstr(R"("pid":7,)"));
      if (leave_while_asked) server.ask();  // and the kernel stops, with an answer on its way or not
      stage.adapter = nullptr;
      stage.runtime = nullptr;
      publisher = nullptr;
    });
  }
}

TEST(Publisher, AServerThatDoesNotStartLeavesNothing) {
  in_simulation(1, [](Stage& stage) {
    std::vector<std::string> answers;
    auto publisher = try_make<runtime::Publisher>(*stage.runtime, settings(), 7);
    auto made = make_interface<FakeServer>(stage.world.executor.processor(0), answers);
    made->fails_to_start = true;
    EXPECT_FALSE(publisher->start(std::move(made)));
    stage.adapter = nullptr;
    stage.runtime = nullptr;
  });
}

}  // namespace
}  // namespace softndk::stack
