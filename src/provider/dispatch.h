#pragma once
// The dispatch tables: constant (R-OBJ-09), of full length whatever the version (R-TBL-01), every slot filled
// (R-OBJ-08). Objects get theirs at creation and nobody here reads it again (R-OBJ-06).
#include "wdk/ndkpi.h"

namespace softndk::provider {

extern const NDK_ADAPTER_DISPATCH kAdapterDispatch;
extern const NDK_CQ_DISPATCH kCqDispatch;
extern const NDK_PD_DISPATCH kPdDispatch;
extern const NDK_MR_DISPATCH kMrDispatch;
extern const NDK_MW_DISPATCH kMwDispatch;
extern const NDK_QP_DISPATCH kQpDispatch;
extern const NDK_CONNECTOR_DISPATCH kConnectorDispatch;
extern const NDK_LISTENER_DISPATCH kListenerDispatch;
extern const NDK_SRQ_DISPATCH kSrqDispatch;
extern const NDK_SHARED_ENDPOINT_DISPATCH kSharedEndpointDispatch;

}  // namespace softndk::provider
