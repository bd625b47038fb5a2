#include "item.h"

#include "plot.h"

namespace softndk::cycles {
namespace {

NDK_FN_CLOSE_OBJECT close_function(Kind kind, NDK_OBJECT_HEADER* object) {
  switch (kind) {
    case Kind::cq:
      return reinterpret_cast<NDK_CQ*>(object)->Dispatch->NdkCloseCq;
    case Kind::pd:
      return reinterpret_cast<NDK_PD*>(object)->Dispatch->NdkClosePd;
    case Kind::shared_endpoint:
      return reinterpret_cast<NDK_SHARED_ENDPOINT*>(object)->Dispatch->NdkCloseSharedEndpoint;
    case Kind::listener:
      return reinterpret_cast<NDK_LISTENER*>(object)->Dispatch->NdkCloseListener;
    case Kind::srq:
      return reinterpret_cast<NDK_SRQ*>(object)->Dispatch->NdkCloseSrq;
    case Kind::mr:
      return reinterpret_cast<NDK_MR*>(object)->Dispatch->NdkCloseMr;
    case Kind::mw:
      return reinterpret_cast<NDK_MW*>(object)->Dispatch->NdkCloseMw;
    case Kind::qp:
      return reinterpret_cast<NDK_QP*>(object)->Dispatch->NdkCloseQp;
    case Kind::connector:
      return reinterpret_cast<NDK_CONNECTOR*>(object)->Dispatch->NdkCloseConnector;
    case Kind::adapter:
      break;  // has none
  }
  std::abort();
}

}  // namespace

void Item::create_returned(NTSTATUS status, NDK_OBJECT_HEADER* object) {
  if (status == STATUS_PENDING) {
    EXPECT_EQ(object, nullptr) << "R-CRT-02: written after STATUS_PENDING";
  } else {
    made(status, object);
  }
}

VOID Item::created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  static_cast<Item*>(context)->made(status, object);
}

void Item::made(NTSTATUS status, NDK_OBJECT_HEADER* object) {
  EXPECT_EQ(creates_.fetch_add(1), 0) << name() << ": created twice";
  EXPECT_EQ(status, STATUS_SUCCESS) << name() << ": there is room for all that this test makes";
  if (object == nullptr) std::abort();
  object_.store(object);
  if ((flags_.fetch_or(kMade) & kUnwanted) != 0) close();
  plot_.progress();
}

VOID Item::requested(PVOID context, NTSTATUS status) {
  static_cast<Item*>(context)->request_ended(status);
}

void Item::request_ended(NTSTATUS status) {
  request_status_.store(status);
  EXPECT_LE(requests_ended_.fetch_add(1) + 1, requests_begun_.load()) << name() << ": a request completed twice";
  if (close_after.exchange(false)) close();
}

void Item::close() {
  NDK_OBJECT_HEADER* object = object_.load();
  EXPECT_EQ(closes_.fetch_add(1), 0) << name() << ": this test closes it twice";
  const NTSTATUS status = close_function(kind_, object)(object, &Item::closed, this);
  if (status == STATUS_PENDING) return;
  EXPECT_EQ(status, STATUS_SUCCESS) << name() << ", R-CLS-01";
  over();
}

void Item::close_for_its_owner() {
  Plot& plot = plot_;
  close();
  plot.given_back();  // the owner may let go of this object now
}

VOID Item::closed(PVOID context) {
  static_cast<Item*>(context)->over();
}

void Item::over() {
  EXPECT_EQ(overs_.fetch_add(1), 0) << name() << ": closed twice";
  if (then_close != nullptr) then_close->close();
}

void Item::check() const {
  EXPECT_EQ(creates_.load(), 1) << name();
  EXPECT_EQ(closes_.load(), 1) << name() << ": this test forgot it";
  EXPECT_EQ(overs_.load(), 1) << name() << ": its close has not completed, but its adapter's has (R-CLS-13)";
  EXPECT_EQ(requests_ended_.load(), requests_begun_.load()) << name() << ": R-CLS-03";
}

}  // namespace softndk::cycles
