#include "sim/listener.h"

#include "base/alloc.h"
#include "base/log.h"

namespace softndk::sim {

Listener::Listener(Core& core, Ports::Hold hold, unsigned backlog, io::AcceptSink& sink, Processor& processor)
    : core_(core),
      local_(Ports::local_of(hold)),
      hold_(std::move(hold)),
      backlog_(backlog),
      sink_(sink),
      processor_(processor) {
  happens_before(this);
}

void Listener::enqueue(std::shared_ptr<Connection> connection) {
  waiting_.push_back(std::move(connection));
  core_.agenda.at(core_.now_ns + core_.network.in(core_.options.accept_delay_ns),
                  [self = shared_from_this()] { self->processor_.push_event([self] { self->hand_over_one(); }); });
}

void Listener::hand_over_one() {
  if (waiting_.empty()) return;  // refused meanwhile
  const std::shared_ptr<Connection> connection = std::move(waiting_.front());
  waiting_.pop_front();
  constexpr unsigned kPassive = 1;
  core_.note(TraceKind::accepted, connection->name_of(kPassive));
  happens_after(this);
  happens_after(connection.get());  // its connect()
  io::AcceptSink::Choice choice;
  {
    ShownToTsan shown;
    choice = sink_.choose_sink(connection->local_address(kPassive), connection->peer_address(kPassive));
  }
  auto stream = choice.sink == nullptr ? nullptr : make_interface<Stream>(connection, kPassive);
  if (stream == nullptr) {
    connection->refuse(kPassive);
    return;
  }
  auto* processor = choice.processor == nullptr ? &processor_ : static_cast<Processor*>(choice.processor);
  connection->attach(kPassive, *choice.sink, *processor);
  {
    ShownToTsan shown;
    sink_.on_accept(std::move(stream), *choice.sink);
  }
  connection->open_gate(kPassive);
}

void Listener::refuse_waiting() {
  while (!waiting_.empty()) {
    waiting_.front()->refuse(1);
    waiting_.pop_front();
  }
}

void Listener::pause() {
  if (closed_) return;
  paused_ = true;
  refuse_waiting();
}

expected<void, io::IoError> Listener::resume() {
  if (closed_) return unexpected(io::IoError::closed);
  if (fault_injected("resume")) return unexpected(io::IoError::no_resources);
  paused_ = false;
  return {};
}

void Listener::close() {
  if (closed_) return;
  closed_ = true;
  happens_before(this);
  refuse_waiting();
  hold_ = {};
  processor_.push_event([self = shared_from_this()] {
    io::AcceptSink& sink = self->sink_;
    self->in_last_event_ = true;
    happens_after(self.get());
    ShownToTsan shown;
    sink.on_acceptor_closed();
  });
}

Acceptor::~Acceptor() {
  HiddenFromTsan hidden;
  SOFTNDK_CHECK((io::this_thread().world == nullptr || listener_->has_heard_the_last()) &&
                "an acceptor is destroyed before its on_acceptor_closed()");
  listener_.reset();
}

void Acceptor::pause() noexcept {
  HiddenFromTsan hidden;
  listener_->pause();
}
expected<void, io::IoError> Acceptor::resume() noexcept {
  HiddenFromTsan hidden;
  return listener_->resume();
}
void Acceptor::close() noexcept {
  HiddenFromTsan hidden;
  listener_->close();
}
const Address& Acceptor::local_address() const noexcept {
  return listener_->local_address();
}

}  // namespace softndk::sim
