#include "talk.h"

#include <algorithm>

#include "asked.h"

namespace softndk::soak {
namespace {

constexpr stack::QpShape kShape{
    .receive_depth = kNotes, .initiator_depth = 4 * kNotes, .sges = 2, .inline_bytes = 0, .cq_depth = 8 * kNotes};

constexpr UINT_PTR context_of(unsigned kind, unsigned index) {
  return static_cast<UINT_PTR>(kind) << 8 | index;
}

}  // namespace

Talk::Talk(const Workplace& place, stack::OpenAdapter& adapter)
    : place_(place), random_(place.random), side_(adapter, kShape), region_(side_.pd.get(), kRegionBytes) {
  hello_.address = region_.address();
  hello_.token = region_.token();
  place_.tally.sessions.fetch_add(1);
}

bool Talk::expect(const char* what, NTSTATUS status, std::initializer_list<NTSTATUS> allowed) {
  if (std::find(allowed.begin(), allowed.end(), status) == allowed.end())
    place_.report.complain("%s: status 0x%08x", what, static_cast<unsigned>(status));
  return status == STATUS_SUCCESS;
}

bool Talk::take(NDK_RESULT_EX& result) {
  if (!side_.queue.poll(result)) return false;
  if (++completed_ > posted_) place_.report.complain("a completion of nothing that was posted");
  if (!expect("a request", result.Status, {STATUS_SUCCESS, STATUS_CANCELLED})) {
    place_.tally.cancelled.fetch_add(1);
    lost_ = true;
  }
  return true;
}

Talk::Done Talk::next() {
  for (;;) {
    NDK_RESULT_EX result{};
    const bool left = is_left();  // first: what came before the peer left has its completion by then
    if (take(result)) {
      if (lost_) return {};
      const auto context = reinterpret_cast<UINT_PTR>(result.RequestContext);
      return {static_cast<Kind>(context >> 8), static_cast<unsigned>(context & 0xff)};
    }
    if (left) return {};
    place_.watch.step("wait for a completion");
    side_.queue.arm();
    static_cast<void>(stack::Event::wait_any(side_.queue.told, side_.left));  // the watch sees it if nothing comes
  }
}

bool Talk::posted(const char* what, NTSTATUS status) {
  const bool taken = expect(what, status, {STATUS_SUCCESS, STATUS_CONNECTION_INVALID});
  if (taken) ++posted_;
  return taken;
}

bool Talk::post_receive(unsigned index) {
  return posted("NdkReceive", side_.receive(region_.sge(receive_at(index), kNoteBytes),
                                            context_of(static_cast<unsigned>(Kind::receive), index)));
}

bool Talk::post_receives() {
  for (unsigned i = 0; i < kNotes; ++i) {
    if (!post_receive(i)) return false;
  }
  return true;
}

bool Talk::send(const Note& note, const void* octets) {
  const unsigned index = next_note_++ % kNotes;
  std::memcpy(memory(note_at(index)), &note, sizeof note);
  std::size_t bytes = sizeof note;
  if (octets != nullptr) {
    std::memcpy(memory(note_at(index) + bytes), octets, note.bytes);
    bytes += note.bytes;
  }
  return posted("NdkSend",
                side_.send(region_.sge(note_at(index), bytes), context_of(static_cast<unsigned>(Kind::note), index)));
}

bool Talk::write_to_peer(unsigned slot, std::size_t bytes) {
  return posted("NdkWrite", side_.write(region_.sge(own_at(slot), bytes), peer_.address + exposed_at(slot), peer_.token,
                                        context_of(static_cast<unsigned>(Kind::write), slot)));
}

bool Talk::read_from_peer(unsigned slot, std::size_t bytes) {
  return posted("NdkRead", side_.read(region_.sge(own_at(slot), bytes), peer_.address + exposed_at(slot), peer_.token,
                                      context_of(static_cast<unsigned>(Kind::read), slot)));
}

bool Talk::learn_peer() {
  stack::Limits limits;
  std::string said;
  if (side_.connection_data(limits, said) != STATUS_SUCCESS) return false;
  std::memcpy(&peer_, said.data(), sizeof peer_);
  if (peer_.magic == Hello::kMagic) return true;
  place_.report.complain("private data is not what the peer has sent");
  return false;
}

Note Talk::note_in(unsigned index) const {
  Note note;
  std::memcpy(&note, region_.memory.data + receive_at(index), sizeof note);
  return note;
}

void Talk::check_octets(const std::uint8_t* octets, std::size_t bytes, std::uint64_t seed, const char* what) {
  if (!are_octets(octets, bytes, seed)) place_.report.complain("%s: %zu octets are others", what, bytes);
  place_.tally.checked_bytes.fetch_add(bytes);
}

bool Talk::make_endpoint(const stack::Sockaddr& at) {
  place_.watch.step("NdkCreateSharedEndpoint");
  return expect("NdkCreateSharedEndpoint", side_.adapter.shared_endpoint(endpoint_, at), {STATUS_SUCCESS});
}

bool Talk::disconnect() {
  place_.watch.step("NdkDisconnect");
  return expect("NdkDisconnect", side_.disconnect(), {STATUS_SUCCESS, STATUS_CONNECTION_ABORTED});
}

void Talk::close() {
  place_.watch.step("close of a connection's objects");
  if (lost_) place_.tally.lost.fetch_add(1);
  // The completion queue too, now and then: what is in it is lost then (R-CLS-22).
  const bool queue_too = random_.one_in(4);
  {
    Asked asked;
    enum Which { connector, endpoint, qp, pd, queue };
    Which order[] = {connector, endpoint, qp, pd, queue};
    for (std::size_t i = std::size(order); i > 1; --i)
      std::swap(order[i - 1], order[random_.below(static_cast<unsigned>(i))]);
    Asked::One* pending[2] = {};
    for (Which which : order) {
      switch (which) {
        case connector:
          if (side_.connector)
            pending[0] = &asked([&](stack::Request& request) { return side_.connector.begin_close(request); });
          break;
        case endpoint:
          asked.close(endpoint_);
          break;
        case qp:
          pending[1] = &asked([&](stack::Request& request) { return side_.qp.begin_close(request); });
          break;
        case pd:
          asked.close(side_.pd);
          break;
        case queue:
          if (queue_too) asked.close(side_.queue.cq);
          break;
      }
    }
    for (Asked::One* one : pending) {
      if (one != nullptr) expect("a close", one->finish(), {STATUS_SUCCESS});
    }
    if (!queue_too) {
      NDK_RESULT_EX result{};
      while (take(result)) {
      }
      if (completed_ != posted_) place_.report.complain("%u of %u requests completed", completed_, posted_);
      asked.close(side_.queue.cq);
    }
    asked.close(region_.mr);  // nobody can reach it any more
    asked.finish_all();
  }
  if (is_left()) place_.tally.left.fetch_add(1);
  if (side_.disconnects.load() > 1) place_.report.complain("%d disconnect events", side_.disconnects.load());
}

}  // namespace softndk::soak
