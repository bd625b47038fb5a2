#include "tools/ndkping/ping_link.h"

#include <fmt/format.h>
#include <sched.h>

#include <array>

namespace softndk::tools {
namespace {

// Slots of the message region: one to send from, the rest to receive into. A slot is longer than a message, so that a
// peer that sends too much is told from one that breaks the connection.
constexpr std::size_t kSlotBytes = 64;
constexpr std::size_t kReceiveSlots = 2;
constexpr std::size_t kSendSlot = kReceiveSlots;

void* const kInitiator = reinterpret_cast<void*>(std::uintptr_t{1000});

void* slot_context(std::size_t slot) {
  return reinterpret_cast<void*>(slot + 1);
}
std::size_t slot_of(void* context) {
  return reinterpret_cast<std::uintptr_t>(context) - 1;
}

}  // namespace

Result<std::unique_ptr<PingLink>> PingLink::create(const Adapter& adapter, std::size_t buffer_bytes, double limit_s) {
  std::unique_ptr<PingLink> link(new PingLink(adapter, limit_s));
  auto pd = Pd::create(adapter);
  if (!pd) return tl::unexpected(pd.error());
  link->pd_ = std::move(*pd);
  auto cq = Cq::create(adapter, 2 * kReceiveSlots + 2);
  if (!cq) return tl::unexpected(cq.error());
  link->cq_ = std::move(*cq);

  struct Wanted {
    std::unique_ptr<Region>* region;
    std::size_t bytes;
    ULONG flags;
  };
  const Wanted wanted[] = {
      {&link->messages_, (kReceiveSlots + 1) * kSlotBytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE},
      {&link->outgoing_, buffer_bytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE | NDK_MR_FLAG_ALLOW_REMOTE_READ},
      {&link->incoming_, buffer_bytes, NDK_MR_FLAG_ALLOW_REMOTE_WRITE | NDK_MR_FLAG_RDMA_READ_SINK},
  };
  for (const Wanted& each : wanted) {
    auto region = Region::create(adapter, *link->pd_, each.bytes, each.flags);
    if (!region) return tl::unexpected(region.error());
    *each.region = std::move(*region);
  }

  auto window = Window::create(adapter, *link->pd_);
  if (!window) return tl::unexpected(window.error());
  link->window_ = std::move(*window);

  auto qp = Qp::create(adapter, *link->pd_, *link->cq_, {kReceiveSlots, 1, 0}, nullptr);
  if (!qp) return tl::unexpected(qp.error());
  link->qp_ = std::move(*qp);
  for (std::size_t slot = 0; slot < kReceiveSlots; ++slot)
    if (auto posted = link->post_receive(slot); !posted) return tl::unexpected(posted.error());
  return link;
}

Result<void> PingLink::connect(const Address& source, const Address& destination,
                               std::span<const std::byte> private_bytes) {
  auto connector = Connector::create(adapter_);
  if (!connector) return tl::unexpected(connector.error());
  connector_ = std::move(*connector);
  return connector_->connect(*qp_, *cq_, source, destination, read_limits(adapter_), private_bytes, Deadline(limit_s_));
}

Result<void> PingLink::take(Listener& listener, std::span<std::byte> private_bytes) {
  auto connector = listener.next(Deadline(limit_s_));
  if (!connector) return tl::unexpected(connector.error());
  connector_ = std::move(*connector);
  return connector_->peer_private_bytes(private_bytes);
}

Result<void> PingLink::accept() {
  return connector_->accept(*qp_, *cq_, read_limits(adapter_), {}, Deadline(limit_s_));
}

Result<void> PingLink::disconnect() {
  return connector_->disconnect(Deadline(limit_s_));
}

PingMessage PingLink::advertise(const Region& region, std::size_t bytes) {
  return {region.address(), region.remote_token(), static_cast<std::uint32_t>(bytes)};
}

Result<void> PingLink::post_receive(std::size_t slot) {
  return qp_->receive(slot_context(slot), messages_->sge(slot * kSlotBytes, kSlotBytes));
}

Result<void> PingLink::take_results(const char* waiting_for) {
  std::array<NDK_RESULT_EX, 4> results;
  if (connector_->ended()) cq_->wake();  // take what is there; the event that would wake us has been
  const auto count = cq_->wait(results, WaitMode::notified, Deadline(limit_s_), waiting_for);
  if (!count) {
    Failure failure = count.error();
    failure.object = name();
    return tl::unexpected(failure);
  }
  for (const NDK_RESULT_EX& result : std::span(results).first(*count)) {
    if (result.RequestContext == kInitiator) {
      initiator_status_ = result.Status;
      continue;
    }
    if (result.Status != STATUS_SUCCESS) {
      Failure failure = provider_failure("the completion of NdkReceive", result.Status, name(), "R-DISC-15");
      if (result.Status == STATUS_CANCELLED) failure.reason = "the connection was lost";
      return tl::unexpected(failure);
    }
    if (result.BytesTransferred != PingMessage::kWireBytes)
      return tl::unexpected(test_failure(
          fmt::format("a message of {} bytes instead of {}", result.BytesTransferred, PingMessage::kWireBytes),
          name()));
    const std::size_t slot = slot_of(result.RequestContext);
    const PingMessage message = decode_ping(
        std::span<const std::byte>(messages_->memory()).subspan(slot * kSlotBytes).first<PingMessage::kWireBytes>());
    const bool invalidates = result.Type == NdkOperationTypeReceiveAndInvalidate;
    inbox_.push_back({message, invalidates ? static_cast<std::uint32_t>(result.TypeSpecificCompletionOutput) : 0});
    // Posted again before the message is acted on: the peer answers at once (R-CNCT-20).
    if (auto posted = post_receive(slot); !posted) return posted;
  }
  return {};
}

Result<void> PingLink::finish(const char* call, Answer answer) {
  while (!initiator_status_) {
    const bool had_ended = connector_->ended();
    if (auto taken = take_results(call); !taken) return taken;
    if (!had_ended || initiator_status_) continue;
    // A Read still pending at the peer's end gets no answer before we disconnect (spec/ndkpi.md 3.17). A Send or Write
    // needs none: it completes, although perhaps after the event, as when the peer leaves on our last message.
    if (answer == Answer::from_peer)
      return tl::unexpected(test_failure("the peer disconnected in the middle of a transfer", name()));
    sched_yield();
  }
  const NTSTATUS status = *initiator_status_;
  initiator_status_.reset();
  if (status == STATUS_SUCCESS) return {};
  return tl::unexpected(
      provider_failure(fmt::format("the completion of {}", call), status, name(), "spec/ndkpi.md 3.16"));
}

Result<void> PingLink::send(const PingMessage& message) {
  encode(message, messages_->memory().subspan(kSendSlot * kSlotBytes).first<PingMessage::kWireBytes>());
  auto posted = qp_->send(kInitiator, messages_->sge(kSendSlot * kSlotBytes, PingMessage::kWireBytes));
  return posted ? finish("NdkSend", Answer::none) : posted;
}

Result<void> PingLink::send_and_invalidate(const PingMessage& message, std::uint32_t token) {
  encode(message, messages_->memory().subspan(kSendSlot * kSlotBytes).first<PingMessage::kWireBytes>());
  auto posted =
      qp_->send_and_invalidate(kInitiator, messages_->sge(kSendSlot * kSlotBytes, PingMessage::kWireBytes), token);
  return posted ? finish("NdkSendAndInvalidate", Answer::none) : posted;
}

Result<PingMessage> PingLink::lend_incoming(std::size_t bytes) {
  constexpr ULONG kRights = NDK_OP_FLAG_ALLOW_REMOTE_READ | NDK_OP_FLAG_ALLOW_REMOTE_WRITE;
  auto done = qp_->bind(kInitiator, *incoming_, *window_, bytes, kRights);
  if (done) done = finish("NdkBind", Answer::none);
  if (!done) return tl::unexpected(done.error());
  return PingMessage{incoming_->address(), window_->remote_token(), static_cast<std::uint32_t>(bytes)};
}

Result<void> PingLink::take_back() {
  auto posted = qp_->invalidate(kInitiator, *window_);
  return posted ? finish("NdkInvalidate", Answer::none) : posted;
}

Result<std::optional<PingMessage>> PingLink::receive() {
  for (;;) {
    if (!inbox_.empty()) {
      const Arrived arrived = inbox_.front();
      inbox_.pop_front();
      invalidated_token_ = arrived.invalidated_token;
      return arrived.message;
    }
    // Looked at before the queue, so that a message which came ahead of the end is not lost.
    const bool had_ended = connector_->ended();
    if (auto taken = take_results("a message of the peer"); !taken) return tl::unexpected(taken.error());
    if (had_ended && inbox_.empty()) return std::optional<PingMessage>();
  }
}

Result<PingMessage> PingLink::receive_more() {
  auto message = receive();
  if (!message) return tl::unexpected(message.error());
  if (!*message) return tl::unexpected(test_failure("the peer disconnected in the middle of a transfer", name()));
  return **message;
}

Result<void> PingLink::read(const PingMessage& from, std::size_t bytes) {
  auto posted = qp_->read(kInitiator, incoming_->sge(0, bytes), from.address, from.token);
  return posted ? finish("NdkRead", Answer::from_peer) : posted;
}

Result<void> PingLink::write_incoming(const PingMessage& to, std::size_t bytes) {
  auto posted = qp_->write(kInitiator, incoming_->sge(0, bytes), to.address, to.token);
  return posted ? finish("NdkWrite", Answer::none) : posted;
}

Result<void> PingLink::write_outgoing(const PingMessage& to, std::size_t bytes) {
  auto posted = qp_->write(kInitiator, outgoing_->sge(0, bytes), to.address, to.token);
  return posted ? finish("NdkWrite", Answer::none) : posted;
}

}  // namespace softndk::tools
