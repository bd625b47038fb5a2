#include "runtime/publisher.h"

#include "ntrt/work_item.h"
#include "runtime/process_document.h"

namespace softndk::runtime {

Publisher::Publisher(const Runtime& runtime, const SettingValues& settings, int pid) noexcept
    : runtime_(runtime), settings_(settings), pid_(pid) {
  stop_action_.publisher = this;
  stop_action_.run = [](ntrt::StopAction& action) noexcept { static_cast<StopAtLast&>(action).publisher->stop(); };
  work_.WorkerRoutine = describe;
  work_.Parameter = this;
}

Publisher::~Publisher() = default;

expected<void, io::IoError> Publisher::start(OwnedInterface<io::DocumentServer> server) noexcept {
  server_ = std::move(server);
  if (auto started = server_->start(); !started) {
    server_ = nullptr;
    return started;
  }
  ntrt::kernel().at_stop(stop_action_);
  return {};
}

void Publisher::on_readers() noexcept {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;  // their connections end with the server
    ++describing_;
  }
  ntrt::kernel().workers().queue(work_, DelayedWorkQueue, nullptr);
}

void Publisher::describe(PVOID argument) noexcept {
  auto& self = *static_cast<Publisher*>(argument);
  self.server_->answer(describe_process(self.runtime_, self.settings_, self.pid_));
  MutexLock lock(self.mutex_);
  if (--self.describing_ == 0 && self.stopping_) self.described_.open();
}

void Publisher::stop() noexcept {
  bool wait = false;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wait = describing_ != 0;
  }
  if (wait) described_.wait();
  server_->close();
  closed_.wait();
}

}  // namespace softndk::runtime
