#include "plot.h"

#include <algorithm>
#include <thread>

namespace softndk::cycles {

using stack::Sockaddr;

namespace {

constexpr ULONG kQueueDepth = 16;

VOID notified(PVOID, NTSTATUS) {}

/// Nobody connects on purpose; whoever comes is rejected (R-CLS-18), from inside the event.
VOID connect_event(PVOID, NDK_CONNECTOR* connector) {
  connector->Dispatch->NdkCloseConnector(
      &connector->Header, [](PVOID) {}, nullptr);
}

}  // namespace

template <class Condition>
void Plot::wait_until(Condition condition) {
  for (;;) {
    progress_.clear();
    if (condition()) return;
    if (progress_.wait()) continue;
    ADD_FAILURE() << "a create never completed";
    std::abort();
  }
}

Item* Plot::pick(Kind kind) {
  Item* found = nullptr;
  unsigned seen = 0;
  for (Item& item : items_) {
    if (item.kind() == kind && is_usable(item) && random_.one_in(++seen)) found = &item;
  }
  return found;
}

bool Plot::make(Kind kind) {
  const auto has = [&](Kind antecedent) {
    if (pick(antecedent) != nullptr) return true;
    const auto coming = std::find_if(items_.begin(), items_.end(), [&](const Item& item) {
      return item.kind() == antecedent && !item.is_given_away;
    });
    if (coming != items_.end()) {
      wait_until([&] { return coming->is_made(); });
    } else {
      make(antecedent);
    }
    return false;
  };
  if (made_[kind] == kEachMax) return true;
  switch (kind) {
    case Kind::qp:
      if (!has(Kind::cq)) return false;
      [[fallthrough]];
    case Kind::srq:
    case Kind::mr:
    case Kind::mw:
      if (!has(Kind::pd)) return false;
      break;
    default:
      break;
  }
  ++made_[kind];
  Item& item = items_.emplace_back(kind, *this);
  if (random_.one_in(6)) {
    item.is_given_away = true;
    static_cast<void>(item.close_when_made());
  }
  begin_create(item);
  return true;
}

void Plot::begin_create(Item& item) {
  NDK_ADAPTER* adapter = adapter_.adapter;
  const auto pd = [&] { return pick(Kind::pd)->as<NDK_PD>(); };
  switch (item.kind()) {
    case Kind::cq: {
      const bool tells = random_.one_in(2);
      return item.create<NDK_CQ>([&](auto... rest) {
        return adapter->Dispatch->NdkCreateCq(adapter, 1 + random_.below(64), tells ? &notified : nullptr, this,
                                              nullptr, rest...);
      });
    }
    case Kind::pd:
      return item.create<NDK_PD>([&](auto... rest) { return adapter->Dispatch->NdkCreatePd(adapter, rest...); });
    case Kind::shared_endpoint: {
      const Sockaddr any("127.0.0.1");
      return item.create<NDK_SHARED_ENDPOINT>([&](auto... rest) {
        return adapter->Dispatch->NdkCreateSharedEndpoint(adapter, any.get(), any.bytes, rest...);
      });
    }
    case Kind::listener:
      return item.create<NDK_LISTENER>([&](auto... rest) {
        return adapter->Dispatch->NdkCreateListener(adapter, &connect_event, nullptr, rest...);
      });
    case Kind::srq: {
      NDK_PD* over = pd();
      return item.create<NDK_SRQ>([&](auto... rest) {
        return over->Dispatch->NdkCreateSrq(over, kQueueDepth, 4, 1, &notified, this, nullptr, rest...);
      });
    }
    case Kind::mr: {
      NDK_PD* over = pd();
      return item.create<NDK_MR>([&](auto... rest) { return over->Dispatch->NdkCreateMr(over, FALSE, rest...); });
    }
    case Kind::mw: {
      NDK_PD* over = pd();
      return item.create<NDK_MW>([&](auto... rest) { return over->Dispatch->NdkCreateMw(over, rest...); });
    }
    case Kind::qp: {
      NDK_PD* over = pd();
      NDK_CQ* receive = pick(Kind::cq)->as<NDK_CQ>();
      NDK_CQ* initiator = pick(Kind::cq)->as<NDK_CQ>();
      return item.create<NDK_QP>([&](auto... rest) {
        return over->Dispatch->NdkCreateQp(over, receive, initiator, this, kQueueDepth, kQueueDepth, 4, 4, 64, rest...);
      });
    }
    case Kind::connector:
      return item.create<NDK_CONNECTOR>(
          [&](auto... rest) { return adapter->Dispatch->NdkCreateConnector(adapter, rest...); });
    case Kind::adapter:
      break;
  }
  std::abort();
}

void Plot::use_region(Item& item) {
  NDK_MR* mr = item.as<NDK_MR>();
  if (item.has_pending_request()) return;
  if (!item.was_used) {
    item.was_used = true;
    if (random_.one_in(4)) {
      item.is_given_away = true;
      item.close_after = true;
    }
    item.request([&](auto... rest) {
      return mr->Dispatch->NdkRegisterMr(mr, worker_.memory.mdl, worker_.memory.bytes, stack::kAllAccess, rest...);
    });
  } else if (NT_SUCCESS(item.request_status())) {
    item.request([&](auto... rest) { return mr->Dispatch->NdkDeregisterMr(mr, rest...); });
  }
}

void Plot::use_connector(Item& item) {
  NDK_CONNECTOR* connector = item.as<NDK_CONNECTOR>();
  Item* qp = pick(Kind::qp);
  if (qp == nullptr || item.was_used || !random_.one_in(8)) return;
  item.was_used = true;
  if (random_.one_in(4)) {
    item.is_given_away = true;
    item.close_after = true;
  }
  // Nobody listens there, and a pair that another connector has is refused: either is an end to be had exactly once.
  const Sockaddr from("127.0.0.1"), to("127.0.0.1", 1);
  item.request([&](auto... rest) {
    return connector->Dispatch->NdkConnect(connector, qp->as<NDK_QP>(), from.get(), from.bytes, to.get(), to.bytes, 4,
                                           4, nullptr, 0, rest...);
  });
}

/// Receives that no message will ever take, and a threshold that there are fewer of: it tells at once (R-SRQ-04).
void Plot::use_shared_queue(Item& item) {
  NDK_SRQ* srq = item.as<NDK_SRQ>();
  if (item.has_pending_request()) return;
  if (!item.was_used) {
    item.was_used = true;
    for (unsigned i = random_.below(4); i != 0; --i) {
      EXPECT_EQ(srq->Dispatch->NdkSrqReceive(srq, &item, nullptr, 0), STATUS_SUCCESS);
      ++made_.shared_receives;
    }
    return;
  }
  if (random_.one_in(4)) {
    item.is_given_away = true;
    item.close_after = true;
  }
  item.request([&](auto... rest) {
    return srq->Dispatch->NdkModifySrq(srq, kQueueDepth + random_.below(16), 1 + random_.below(4), rest...);
  });
}

void Plot::use(Item& item) {
  switch (item.kind()) {
    case Kind::cq:
      item.as<NDK_CQ>()->Dispatch->NdkArmCq(item.as<NDK_CQ>(), NDK_CQ_NOTIFY_ANY);
      return;
    case Kind::listener: {
      if (item.was_used || !random_.one_in(4)) return;
      item.was_used = true;
      if (random_.one_in(4)) {
        item.is_given_away = true;
        item.close_after = true;
      }
      const Sockaddr any("127.0.0.1");
      NDK_LISTENER* listener = item.as<NDK_LISTENER>();
      return item.request(
          [&](auto... rest) { return listener->Dispatch->NdkListen(listener, any.get(), any.bytes, rest...); });
    }
    case Kind::mr:
      return use_region(item);
    case Kind::qp: {
      NDK_QP* qp = item.as<NDK_QP>();
      if (item.was_used) return;
      item.was_used = true;
      for (unsigned i = random_.below(4); i != 0; --i)
        EXPECT_EQ(qp->Dispatch->NdkReceive(qp, &item, nullptr, 0), STATUS_SUCCESS);
      return;
    }
    case Kind::connector:
      return use_connector(item);
    case Kind::srq:
      return use_shared_queue(item);
    case Kind::adapter:
    case Kind::pd:
    case Kind::shared_endpoint:
    case Kind::mw:
      return;
  }
}

void Plot::give_up(Item& item) {
  item.is_given_away = true;
  for (Item* last = &item; random_.one_in(4);) {
    const auto lower = [&](const Item& other) { return is_usable(other) && rank(other.kind()) < rank(last->kind()); };
    const auto next = std::find_if(items_.begin(), items_.end(), lower);
    if (next == items_.end()) break;
    next->is_given_away = true;
    last->then_close = &*next;
    last = &*next;
  }
  if (random_.one_in(4)) {
    Item* nobody = nullptr;
    held_by_others_.fetch_add(1);
    if (worker_.field.outbox[worker_.number].compare_exchange_strong(nobody, &item)) return;
    held_by_others_.fetch_sub(1);
  }
  item.close();
}

void Plot::serve_others() {
  for (unsigned other = 0; other < kWorkers; ++other) {
    if (other == worker_.number || worker_.field.outbox[other].load() == nullptr) continue;
    if (Item* item = worker_.field.outbox[other].exchange(nullptr)) item->close_for_its_owner();
  }
}

void Plot::close_something() {
  if (items_.empty()) return;
  Item& item = items_[random_.below(static_cast<unsigned>(items_.size()))];
  if (is_usable(item)) give_up(item);
}

void Plot::run(Counts wanted) {
  ASSERT_EQ(adapter_.status, STATUS_SUCCESS);
  std::array<Kind, kKinds> left;
  for (;;) {
    unsigned kinds = 0;
    for (unsigned i = 0; i < kKinds; ++i) {
      if (wanted[Kind(i)] != 0) left[kinds++] = Kind(i);
    }
    if (kinds == 0) break;
    serve_others();
    const unsigned action = random_.below(4);
    if (action == 0) {
      close_something();
    } else if (action == 1) {
      if (items_.empty()) continue;
      Item& item = items_[random_.below(static_cast<unsigned>(items_.size()))];
      if (is_usable(item)) use(item);
    } else if (const Kind kind = left[random_.below(kinds)]; make(kind)) {
      --wanted[kind];
    }
  }
  // All that is left, in any order; some of it is still on its way.
  std::vector<Item*> order;
  for (Item& item : items_) {
    if (!item.is_given_away) order.push_back(&item);
  }
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random_.below(static_cast<unsigned>(i))]);
  for (Item* item : order) {
    serve_others();
    if (item->is_given_away) continue;
    if (is_usable(*item) && random_.one_in(3)) use(*item);
    if (item->is_given_away) continue;
    if (is_usable(*item)) {
      give_up(*item);
    } else {
      item->is_given_away = true;
      if (!item->close_when_made()) item->close();
    }
  }
  // Nobody else may be waiting for us to close what we hold for them, while we wait for them.
  if (Item* mine = worker_.field.outbox[worker_.number].exchange(nullptr)) mine->close_for_its_owner();
  adapter_.close();
  while (held_by_others_.load() != 0)
    std::this_thread::yield();  // in the last lines of a close that has completed
  for (const Item& item : items_)
    item.check();
  ++made_[Kind::adapter];
  worker_.done += made_;
}

}  // namespace softndk::cycles
