// The active side: TCP connect, MPA Request and Reply, and the consumer's last word.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "iwarp/rtr.h"
#include "rnic/connection.h"

namespace softndk::rnic {

using rdma::CmStatus;

namespace {

/// After these the connector is idle again and the queue pair free for another attempt (R-CONN-24).
bool is_retryable(CmStatus status) {
  return status == CmStatus::network_unreachable || status == CmStatus::host_unreachable ||
         status == CmStatus::refused || status == CmStatus::timed_out;
}

}  // namespace

void Connection::start_connect() noexcept {
  Address local;
  Address remote;
  EndpointRef shared;
  {
    MutexLock lock(mutex_);
    shared = std::move(asked_endpoint_);
    local = shared ? shared->address() : asked_local_;
    remote = asked_remote_;
    qp_ = static_cast<Qp*>(asked_qp_);
  }
  is_active_side_ = true;
  handshake_ = try_make<Handshakes>();
  if (handshake_ == nullptr) return fail_connect(CmStatus::no_resources, Ending::abort);
  if (local.family != remote.family) return fail_connect(CmStatus::address_not_local, Ending::abort);
  if (local.is_wildcard()) {
    const expected<Address, io::IoError> source = context_.world.network.source_for(remote);
    if (!source) return fail_connect(to_cm_status(source.error()), Ending::abort);
    if (!context_.endpoints.is_ours(*source)) return fail_connect(CmStatus::address_not_local, Ending::abort);
    local = source->with_port(local.port);
  }
  const CmStatus opened = open_stream(local, remote, std::move(shared));
  if (opened != CmStatus::success) return fail_connect(opened, Ending::abort);
  arm_timer(context_.settings.connect_timeout_ns);
}

CmStatus Connection::open_stream(const Address& local, const Address& remote, EndpointRef shared) noexcept {
  const io::ConnectOptions options{.share_local = static_cast<bool>(shared)};
  const auto open = [&](const Address& from) -> expected<void, io::IoError> {
    auto stream = context_.world.network.connect(from, remote, options, *this, processor_);
    if (!stream) return unexpected(stream.error());
    stream_ = std::move(*stream);
    note_stream(from, remote);
    return {};
  };
  if (shared) {
    if (const auto opened = open(local); !opened) return to_cm_status(opened.error());
    endpoint_ = std::move(shared);
    return CmStatus::success;
  }
  auto taken = context_.endpoints.take(local, [&](Endpoint& endpoint) { return open(endpoint.address()); });
  if (!taken) {
    // Both are true of an address that is in use by a connection to this very peer; the more telling one is said.
    const bool connected = taken.error() == CmStatus::address_in_use && context_.endpoints.has_stream(local, remote);
    return connected ? CmStatus::already_connected : taken.error();
  }
  endpoint_ = std::move(*taken);
  return CmStatus::success;
}

void Connection::on_connected() noexcept {
  if (state() != State::connecting) return;
  rdma::ReadLimits wanted;
  iwarp::PrivateData own;
  {
    MutexLock lock(mutex_);
    wanted = asked_limits_;
    own = own_data_;
    local_ = stream_->local_address();
    state_ = State::requesting;
  }
  handshake_->initiator.emplace(handshake_settings(), iwarp::ReadLimits{wanted.inbound, wanted.outbound}, own.bytes());
  frame_left_ = Bytes(handshake_->out, handshake_->initiator->request(handshake_->out));
  write_frame();
  stream_->arm(io::Interest::read);
}

void Connection::on_connect_failed(io::IoError error) noexcept {
  if (state() != State::connecting) return;
  fail_connect(to_cm_status(error), Ending::abort);
  call(0);
}

void Connection::read_reply() noexcept {
  iwarp::InitiatorHandshake& handshake = *handshake_->initiator;
  while (handshake.state() == iwarp::InitiatorHandshake::State::waiting) {
    std::uint8_t room[sizeof handshake_->early];
    const IoSpan span{room, sizeof room};
    const io::IoResult got = stream_->read(std::span(&span, 1));
    if (got.status == io::IoResult::Status::would_block) return stream_->arm(io::Interest::read);
    // A peer that closes without a Reply has no use for us: refused, and the attempt can be repeated.
    if (got.status != io::IoResult::Status::done) return fail_connect(CmStatus::refused, Ending::abort);
    const std::size_t taken = handshake.feed(Bytes(room, got.bytes));
    handshake_->early_bytes = got.bytes - taken;
    std::memcpy(handshake_->early, room + taken, handshake_->early_bytes);
  }
  judge_reply();
}

void Connection::judge_reply() noexcept {
  stop_timer();
  iwarp::InitiatorHandshake& handshake = *handshake_->initiator;
  switch (handshake.state()) {
    case iwarp::InitiatorHandshake::State::waiting:
      return;
    case iwarp::InitiatorHandshake::State::accepted: {
      if (!frame_left_.empty()) break;  // an answer to a Request that has not left us yet
      const iwarp::ReadLimits limits = handshake.result().limits;
      keep_peer_data(handshake.private_data());
      {
        MutexLock lock(mutex_);
        limits_ = rdma::ReadLimits{limits.ird, limits.ord};
        state_ = State::accepted;
      }
      return sink_->on_connect_done(CmStatus::success);
    }
    case iwarp::InitiatorHandshake::State::rejected:
      keep_peer_data(handshake.private_data());
      return fail_connect(CmStatus::refused, Ending::orderly);
    case iwarp::InitiatorHandshake::State::failed:
      break;
  }
  if (const auto code = handshake.terminate()) {
    write_terminate(*code, handshake.result());
    return fail_connect(CmStatus::aborted, Ending::orderly);
  }
  log(LogLevel::note, "connect: the Reply of %s is not one we can work with",
      AddressText(stream_->peer_address()).text);
  fail_connect(CmStatus::aborted, Ending::abort);
}

void Connection::fail_connect(CmStatus status, Ending ending) noexcept {
  stop_timer();
  if (status != CmStatus::cancelled) context_.counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
  tell_connect_ = true;
  result_ = status;
  back_to_idle_ = is_retryable(status);
  begin_ending(ending);
}

void Connection::start_complete() noexcept {
  if (state() != State::completing) return;
  const iwarp::HandshakeResult agreed = handshake_->initiator->result();
  const io::IoResult::Status peer = stream_->peek();
  if (peer == io::IoResult::Status::end || peer == io::IoResult::Status::failed)
    return fail_establishment(CmStatus::aborted, Ending::abort);
  rtr_agreed_ = agreed.rtr_to_send != iwarp::Rtr::none;
  if (!attach(agreed, agreed.rtr_to_send, Bytes(handshake_->early, handshake_->early_bytes)))
    return fail_establishment(CmStatus::no_resources, Ending::abort);
  // What the peer has sent by now was looked at inside attach(): if that was its end, there is nothing to complete.
  constexpr std::uint32_t kEnd = kPeerFin | kLost | kPeerTerminate | kPeerFault;
  const std::uint32_t events = link_events_.exchange(0);
  if ((events & kEnd) != 0) return take_link_events(events);
  if (context_.settings.first_fpdu_delay_ns != 0 && rtr_agreed_) {
    arm_timer(context_.settings.first_fpdu_delay_ns);
  } else {
    qp_->transmitter().open_gate();
  }
  if (!rtr_agreed_) establish();  // nothing to wait for (spec/ndkpi.md 3.17)
  // What the peer said too early has opened the gate by itself: the RTR may be out already.
  if (events != 0) take_link_events(events);
}

void Connection::give_up_accepted() noexcept {
  const iwarp::HandshakeResult agreed = handshake_->initiator->result();
  if (context_.settings.abandon == AbandonPolicy::polite && agreed.rtr_to_send != iwarp::Rtr::none) {
    // The peer's accept succeeds and a disconnect follows: for Linux peers, whose connection manager breaks otherwise.
    ConstIoSpan spans[4];
    std::uint8_t arena[128];
    iwarp::GatherList list(spans, arena);
    iwarp::TxFramer framer(agreed.crc, agreed.markers_to_send);
    iwarp::TxSequence sequence;
    iwarp::append_rtr(agreed.rtr_to_send, sequence, framer, list);
    write_fpdu(list);
    return begin_ending(Ending::orderly);
  }
  write_terminate(iwarp::terminate_code::kMpaLocalCatastrophic, agreed);
  begin_ending(Ending::terminate_abort);
}

}  // namespace softndk::rnic
