// The kernel's face for drivers. Each part is a file of its own under detail/.
#ifndef SOFTNDK_WDK_WDM_H
#define SOFTNDK_WDK_WDM_H

#include "ntdef.h"
#include "ntstatus.h"

#include "detail/assert.h"
#include "detail/crt.h"
#include "detail/ex.h"
#include "detail/interlocked.h"
#include "detail/io.h"
#include "detail/irp.h"
#include "detail/ke.h"
#include "detail/list.h"
#include "detail/lookaside.h"
#include "detail/mm.h"
#include "detail/ob.h"
#include "detail/rtl.h"
#include "detail/rtl_string.h"
#include "detail/seh.h"
#include "detail/sync.h"
#include "detail/zw.h"

#include "detail/old_sal.h"

#endif
