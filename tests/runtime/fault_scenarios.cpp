#include "fault_scenarios.h"

#include "base/alloc.h"
#include "ntrt/driver.h"
#include "ntrt/ndis.h"

namespace softndk::stack {
namespace {

/// Begins to close each object in turn, then waits for all.
template <class... Objects>
void close_in_order(Objects&... objects) {
  Request requests[sizeof...(objects)];
  NTSTATUS returned[sizeof...(objects)];
  std::size_t count = 0;
  const auto begin = [&](auto& object) {
    if (!object) return;
    returned[count] = object.begin_close(requests[count]);
    ++count;
  };
  (begin(objects), ...);
  for (std::size_t i = 0; i < count; ++i)
    EXPECT_EQ(requests[i].finish(returned[i]), STATUS_SUCCESS);
}

bool objects_closed_antecedents_last(const Place& place) {
  End end(place);
  return end.make() && end.make_connector();
}

bool objects_closed_antecedents_first(const Place& place) {
  End end(place);
  const bool well = end.make() && end.make_connector();
  close_in_order(end.pd, end.cq, end.mr, end.qp, end.connector);
  return well;
}

bool registrations(const Place& place) {
  End end(place);
  if (!end.make_queues({}) || !end.make_region(1)) return false;
  if (!end.deregister_region() || !end.register_region() || !end.deregister_region()) return false;
  // A chain of pieces that follow each other, as a file system builds it.
  constexpr ULONG kPiece = 3 * PAGE_SIZE;
  constexpr int kPieces = 6;
  alignas(PAGE_SIZE) static std::uint8_t memory[kPieces * kPiece];
  MDL* chain = nullptr;
  bool well = true;
  for (int i = kPieces; i-- > 0 && well;) {
    MDL* mdl = IoAllocateMdl(memory + i * kPiece, kPiece, FALSE, FALSE, nullptr);
    well = mdl != nullptr;
    if (!well) break;
    MmBuildMdlForNonPagedPool(mdl);
    mdl->Next = std::exchange(chain, mdl);
  }
  well =
      well && went_well("NdkRegisterMr", ask([&](auto... rest) {
                          return end.mr.table()->NdkRegisterMr(end.mr.get(), chain, sizeof memory, kAllAccess, rest...);
                        }));
  end.mr.close();  // registered as it is
  while (chain != nullptr)
    IoFreeMdl(std::exchange(chain, chain->Next));
  return well;
}

bool listening(const Place& place) {
  Gate first(place.adapter);
  if (!first.open(Sockaddr("127.0.0.1"))) return false;
  first.pause(true);
  first.pause(false);
  Gate six(place.adapter);
  if (!six.open(Sockaddr("::1"))) return false;
  Gate wildcard(place.adapter);
  if (!wildcard.open(Sockaddr("0.0.0.0"))) return false;
  // The address is free once the close has completed, also after a listen that failed on the way.
  const Sockaddr again = first.address();
  first.close();
  return first.open(again);
}

bool conversation(const Place& place) {
  return converse(place);
}
bool long_conversation(const Place& place) {
  return converse(place, 300'000);
}

bool small_talk(const Place& place) {
  Link link(place);
  if (!link.make() || !link.establish("how do you do", "well, thank you")) return false;
  if (!link.active.query_data() || !link.passive.query_data()) return false;
  bool well = true;
  for (int i = 0; i < 6; ++i)
    well &= link.passive.receive(64);
  well &= link.active.send(64, NDK_OP_FLAG_INLINE);
  well &= link.active.send(64, NDK_OP_FLAG_SILENT_SUCCESS);
  well &= link.active.send(64, NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_DEFER);
  well &= link.active.send(64, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
  for (int i = 0; i < 5; ++i)
    well &= link.active.read(link.passive, 5'000, i == 4 ? NDK_OP_FLAG_READ_FENCE : 0);
  well &= link.active.write(link.passive, 64, NDK_OP_FLAG_INLINE);
  well &= link.active.send(64, NDK_OP_FLAG_READ_FENCE);
  well &= link.active.send(64);
  well &= link.active.finish_requests();
  well &= link.passive.finish_requests();
  return link.part() && well;
}

bool both_ways_at_once(const Place& place) {
  Link link(place);
  End::Shape shape;
  shape.bytes = 100'000;
  if (!link.make(shape) || !link.establish()) return false;
  bool well = true;
  for (End* end : {&link.active, &link.passive})
    well &= end->receive(100'000) && end->receive(100'000);
  for (int i = 0; i < 2; ++i) {
    well &= link.active.send(100'000);
    well &= link.passive.send(100'000);
    well &= link.active.read(link.passive, 50'000);
    well &= link.passive.read(link.active, 50'000);
  }
  well &= link.active.finish_requests();
  well &= link.passive.finish_requests();
  return link.part() && well;
}

bool rejections(const Place& place) {
  Link link(place);
  if (!link.make()) return false;
  link.begin("may I come in");
  bool well = static_cast<bool>(link.passive.connector);
  if (link.passive.connector) well = link.passive.reject("not today");
  const bool connected = link.finish_connect();
  if (well) {
    EXPECT_FALSE(connected);
  }
  link.active.connector.close();
  link.passive.connector.close();
  if (!well || !link.active.make_connector()) return false;
  // The other side's turn to say no, after it was let in.
  link.begin();
  if (!link.passive.connector) return link.finish_connect() && false;
  Request accepting;
  const NTSTATUS accept_returned = link.passive.begin_accept(accepting);
  if (accept_returned != STATUS_PENDING) link.passive.connector.close();
  well = link.finish_connect() && link.active.reject("changed my mind");
  if (!well) link.active.connector.close();
  const bool accepted = went_well("NdkAccept", accepting.finish(accept_returned));
  EXPECT_FALSE(accepted && well) << "nobody completed the connection";
  return well;
}

bool refused_then_repeated(const Place& place) {
  Link link(place);
  if (!link.make()) return false;
  link.gate.pause(true);
  link.begin();
  const NTSTATUS status = link.connecting->finish(link.connect_returned);
  link.connecting.emplace();
  EXPECT_FALSE(went_well("NdkConnect", status)) << "R-LSN-08";
  link.gate.pause(false);
  if (status != STATUS_CONNECTION_REFUSED) return false;  // not to be repeated, unless it is one of R-CONN-24
  const bool well = link.establish();
  return well && link.part();
}

bool parked_sends(const Place& place) {
  Link link(place);
  End::Shape shape;
  shape.bytes = 100'000;
  if (!link.make(shape) || !link.establish()) return false;
  link.active.memory->fill(6);
  constexpr std::size_t kSizes[] = {1'000, 1'000, 90'000, 1'000, 1'000, 6'000};
  bool well = true;
  std::size_t offset = 0;
  for (const std::size_t bytes : kSizes) {
    well &= link.active.send(bytes, 0, offset);
    offset += bytes;
  }
  pause_ms(20);  // not a wait for an answer: where a Send found no memory, nothing behind it is answered
  offset = 0;
  for (std::size_t i = 0; i + 1 < std::size(kSizes) && well; ++i) {
    well = link.passive.receive(kSizes[i], offset);
    offset += kSizes[i];
  }
  well = well && link.passive.finish_requests() && link.active.finish_requests();  // the last one stays parked
  if (well) {
    EXPECT_TRUE(link.passive.same(link.active, offset)) << "each once, and in order";
  }
  return link.part() && well;
}

bool more_sends_than_can_be_parked(const Place& place) {
  Link link(place);
  if (!link.make() || !link.establish()) return false;
  constexpr int kSends = 70;  // the bound is 64
  bool well = true;
  for (int i = 0; i < kSends && well; ++i)
    well = link.active.send(200) && link.active.finish_requests();
  for (int i = 0; i < kSends && well; ++i)
    well = link.passive.receive(200) && link.passive.finish_requests();
  return link.part() && well;
}

bool without_rtr(const Place& place) {
  Link link(place);
  if (!link.make() || !link.establish()) return false;
  // The passive side's words wait for the active side's first (R-CNCT-19).
  bool well = link.active.receive(20'000) && link.passive.send(20'000);
  pause_ms(2);
  well &= link.active.write(link.passive, 64);
  well &= link.active.finish_requests();
  well &= link.passive.finish_requests();
  return link.part() && well;
}

bool from_wildcard_to_wildcard(const Place& place) {
  Link link(place, "0.0.0.0");
  if (!link.make()) return false;
  link.at = Sockaddr("127.0.0.1", link.at.port());
  return link.establish() && link.active.query_data() && link.passive.query_data() && link.part();
}

bool over_a_shared_endpoint(const Place& place) {
  const Sockaddr any("127.0.0.1");
  Object<NDK_SHARED_ENDPOINT> endpoint;
  const NTSTATUS created = create(endpoint, [&](auto... rest) {
    return place.adapter->Dispatch->NdkCreateSharedEndpoint(place.adapter, any.get(), any.bytes, rest...);
  });
  if (!went_well("NdkCreateSharedEndpoint", created)) return false;
  Link one(place), other(place);
  one.over = other.over = endpoint.get();
  bool well = one.make() && one.establish();
  well = other.make() && other.establish() && well;  // the endpoint and the first bear a failure of the second
  if (one.active.is_connected && one.passive.is_connected)
    well = one.passive.receive(100) && one.active.send(100) && one.active.finish_requests() && well;
  Request closing;
  const NTSTATUS returned = endpoint.begin_close(closing);  // pends until its connectors are closed
  one.active.leave();
  other.active.leave();
  EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
  return well;
}

bool deep_queues(const Place& place) {
  End end(place);
  End::Shape shape;
  shape.cq_depth = 100'000;
  shape.receive_depth = shape.initiator_depth = 8'000;
  return end.make(shape);
}

bool resized_queues(const Place& place) {
  Link link(place);
  if (!link.make() || !link.establish()) return false;
  bool well = true;
  // Larger than its memory twice, smaller, and with entries in it.
  for (const ULONG depth : {300u, 200'000u, 100u}) {
    well = well && link.passive.receive(64) && link.active.send(64) && link.active.resize_queue(depth);
    well = well && link.passive.resize_queue(depth) && link.active.finish_requests();
  }
  well = well && link.passive.finish_requests();
  return link.part() && well;
}

bool closed_half_connected(const Place& place) {
  // What each round leaves undone.
  enum class Left { unanswered, abandoned, accept_pending, uncompleted, listener_first };
  bool well = true;
  for (const Left left :
       {Left::unanswered, Left::abandoned, Left::accept_pending, Left::uncompleted, Left::listener_first}) {
    Link link(place);
    if (!link.make()) return false;
    if (left == Left::listener_first) {
      const NTSTATUS returned = link.active.begin_connect(*link.connecting, link.from, link.at);
      link.gate.close();
      well &= returned == STATUS_PENDING;
      static_cast<void>(went_well("NdkConnect", link.connecting->finish(returned)));
      continue;
    }
    link.begin();
    well &= static_cast<bool>(link.passive.connector);
    Request accepting;
    NTSTATUS accept_returned = STATUS_CANCELLED;
    if (left == Left::abandoned) link.active.connector.close();
    if (left == Left::unanswered) link.passive.connector.close();
    if (left >= Left::accept_pending && link.passive.connector) accept_returned = link.passive.begin_accept(accepting);
    const bool connected = link.finish_connect();
    if (left == Left::accept_pending || !connected) link.passive.connector.close();
    if (left == Left::uncompleted) link.active.connector.close();
    well &= connected == (left >= Left::accept_pending);
    if (left >= Left::accept_pending) static_cast<void>(went_well("NdkAccept", accepting.finish(accept_returned)));
  }
  return well;
}

bool closed_all_at_once(const Place& place) {
  Link link(place);
  if (!link.make()) return false;
  bool well = link.establish();
  if (well) {
    for (int i = 0; i < 3; ++i) {
      well &= link.passive.receive(1'000);
      well &= link.active.send(1'000);
      well &= link.active.write(link.passive, 20'000);
      well &= link.active.read(link.passive, 20'000);
    }
  }
  // Requests must be over before their queues are closed, so the connectors go first; the rest in the worst order.
  Request closing[2];
  NTSTATUS returned[2] = {STATUS_SUCCESS, STATUS_SUCCESS};
  if (link.active.connector) returned[0] = link.active.connector.begin_close(closing[0]);
  if (link.passive.connector) returned[1] = link.passive.connector.begin_close(closing[1]);
  Request listener_closing;
  const NTSTATUS listener_returned = link.gate.listener.begin_close(listener_closing);
  EXPECT_EQ(closing[0].finish(returned[0]), STATUS_SUCCESS);
  EXPECT_EQ(closing[1].finish(returned[1]), STATUS_SUCCESS);
  EXPECT_EQ(listener_closing.finish(listener_returned), STATUS_SUCCESS);
  for (End* end : {&link.active, &link.passive}) {
    end->qp.table()->NdkFlush(end->qp.get());
    static_cast<void>(end->finish_requests());
    close_in_order(end->pd, end->cq, end->mr, end->qp);
  }
  return well;
}

bool one_side_leaves(const Place& place) {
  bool well = true;
  for (const bool gracefully : {true, false}) {
    Link link(place);
    link.active.wants_reason = link.passive.wants_reason = !gracefully;
    if (!link.make() || !link.establish()) return false;
    well &= link.passive.receive(100) && link.passive.receive(100);
    well &= link.active.send(100);
    Request leaving;
    NTSTATUS returned = STATUS_SUCCESS;
    if (gracefully) {
      returned = link.active.begin_disconnect(leaving);
    } else {
      link.active.connector.close();
    }
    for (int i = 0; i < 5000 && link.passive.disconnects == 0; ++i)
      pause_ms(1);
    EXPECT_TRUE(link.passive.disconnects == 1 || !place.answers) << "R-DISC-06, R-DISC-15";
    if (gracefully) well &= link.passive.disconnect();
    static_cast<void>(went_well("NdkDisconnect", leaving.finish(returned)));
    static_cast<void>(link.passive.finish_requests());
  }
  return well;
}

bool questions_of_the_system(const Place& place) {
  Link link(place);
  if (!link.make() || !link.establish()) return false;
  bool well = true;
  alignas(16) std::uint8_t answer[4096];
  constexpr NDIS_OID kOids[] = {OID_NDK_STATISTICS, OID_NDK_CONNECTIONS, OID_NDK_LOCAL_ENDPOINTS,
                                OID_GEN_SUPPORTED_LIST};
  for (const NDIS_OID oid : kOids) {
    const NDIS_STATUS status = ntrt::ndis_oid_query(place.index, oid, answer, sizeof answer).status;
    well &= went_well("an OID", static_cast<NTSTATUS>(status));
  }
  NDK_ADAPTER_INFO info{};
  ULONG bytes = sizeof info;
  well &= went_well("NdkQueryAdapterInfo", place.adapter->Dispatch->NdkQueryAdapterInfo(place.adapter, &info, &bytes));
  return link.part() && well;
}

bool another_open(const Place& place) {
  OpenAdapter second(place.index);
  return went_well("WskOpenNdkAdapter", second.status) && converse({place.index, second.adapter, place.answers});
}

// A driver that uses a little of everything, and whose entry fails, having undone what it did, if anything does.
struct ADriver {
  static inline std::atomic<int> ran{0};
  static inline PVOID block = nullptr;
  static VOID work(PDEVICE_OBJECT, PVOID) { ++ran; }
  static VOID thread(PVOID) { ++ran; }
  static VOID unload(PDRIVER_OBJECT) { ExFreePoolWithTag(std::exchange(block, nullptr), 'tluF'); }
  static bool map(PVOID memory) {
    MDL* mdl = IoAllocateMdl(memory, 5000, FALSE, FALSE, nullptr);
    if (mdl == nullptr) return false;
    MmBuildMdlForNonPagedPool(mdl);
    // As if its pages had been locked and nobody had mapped them yet.
    mdl->MdlFlags = static_cast<CSHORT>((mdl->MdlFlags & ~MDL_SOURCE_IS_NONPAGED_POOL) | MDL_PAGES_LOCKED);
    const bool well = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) != nullptr;
    mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags & ~MDL_PAGES_LOCKED);
    IoFreeMdl(mdl);
    return well;
  }
  static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING) {
    driver->DriverUnload = &unload;
    ran = 0;
    block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 5000, 'tluF');
    if (block == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    if (PVOID memory = NdisAllocateMemoryWithTagPriority(nullptr, 100, 'tluF', NormalPoolPriority))
      NdisFreeMemory(memory, 0, 0);
    PIO_WORKITEM item = IoAllocateWorkItem(reinterpret_cast<PDEVICE_OBJECT>(driver));
    HANDLE handle = nullptr;
    if (item != nullptr)
      status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr, nullptr, &thread, nullptr);
    if (went_well("PsCreateSystemThread", status)) {
      IoQueueWorkItem(item, &work, DelayedWorkQueue, nullptr);
      while (ran != 2)
        pause_ms(1);
      ZwClose(handle);
    }
    if (item != nullptr) IoFreeWorkItem(item);
    if (NT_SUCCESS(status) && !map(block)) status = STATUS_INSUFFICIENT_RESOURCES;
    if (!NT_SUCCESS(status)) unload(driver);
    return status;
  }
};

bool a_driver(const Place&) {
  auto driver = ntrt::load_driver(&ADriver::entry, "faulty");
  if (!went_well("DriverEntry", driver ? STATUS_SUCCESS : driver.error())) return false;
  ntrt::unload_driver(*driver);
  return true;
}

constexpr FaultScenario kScenarios[] = {
    {"ObjectsClosedAntecedentsLast", objects_closed_antecedents_last},
    {"ObjectsClosedAntecedentsFirst", objects_closed_antecedents_first},
    {"Registrations", registrations},
    {"MappingsAndFastRegions", mappings_and_fast_regions},
    {"WindowsAndSharedReceives", windows_and_shared_receives},
    {"Listening", listening},
    {"Conversation", conversation},
    {"LongConversation", long_conversation},
    {"SmallTalk", small_talk},
    {"BothWaysAtOnce", both_ways_at_once},
    {"Rejections", rejections},
    {"RefusedThenRepeated", refused_then_repeated},
    {"ParkedSends", parked_sends},
    {"MoreSendsThanCanBeParked", more_sends_than_can_be_parked},
    {"WithoutRtr", without_rtr, {"rtr", "never"}},
    {"VerifiedBeforePlaced", conversation, {"verify_before_place", "on"}},
    {"FromWildcardToWildcard", from_wildcard_to_wildcard},
    {"OverASharedEndpoint", over_a_shared_endpoint},
    {"DeepQueues", deep_queues},
    {"ResizedQueues", resized_queues},
    {"ResizedQueuesWithALatency", resized_queues, {"latency_us", "30"}},
    {"ClosedHalfConnected", closed_half_connected},
    {"ClosedAllAtOnce", closed_all_at_once},
    {"OneSideLeaves", one_side_leaves},
    {"QuestionsOfTheSystem", questions_of_the_system},
    {"AnotherOpen", another_open},
    {"ADriver", a_driver},
};

}  // namespace

std::span<const FaultScenario> fault_scenarios() {
  return kScenarios;
}

bool converse(const Place& place, std::size_t bytes) {
  Link link(place);
  End::Shape shape;
  shape.bytes = bytes;
  if (!link.make(shape) || !link.establish("hello")) return false;
  link.active.memory->fill(4);
  bool well = link.active.send(bytes);  // before its receive
  well = well && link.active.write(link.passive, bytes);
  well = well && link.active.read(link.passive, bytes);
  well = well && link.passive.receive(bytes);
  well = link.active.finish_requests() && well;
  well = well && link.passive.finish_requests();
  if (well) {
    link.active.memory->fill(4);
    EXPECT_TRUE(link.active.same(link.passive, bytes));
  }
  return link.part() && well;
}

}  // namespace softndk::stack
