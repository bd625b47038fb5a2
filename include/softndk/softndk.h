#ifndef SOFTNDK_SOFTNDK_H
#define SOFTNDK_SOFTNDK_H
/*
 * What the WDK has no word for: starting the kernel that lives in this process, its settings, its interfaces, hosting a
 * driver, and the OIDs of an adapter. C11 and C++; nothing here needs the WDK's headers.
 *
 * Every function may be called from any ordinary thread unless it says otherwise. Statuses are NTSTATUS values (0 is
 * success, negative as a signed 32-bit value is an error).
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SOFTNDK_EXPORT
#define SOFTNDK_EXPORT __attribute__((visibility("default")))
#endif

/** "0.1.0". */
SOFTNDK_EXPORT const char* softndk_version(void);

/*
 * ---- the runtime
 *
 * A program whose main() only calls a driver's DriverEntry needs none of these: the first kernel call that needs the
 * runtime starts it with the environment's settings, and it stops when the process exits.
 */

/**
 * Starts the runtime: the provider is loaded and every IP interface that is up becomes one NDK adapter under its
 * interface index. Start and stop may be repeated. Returns 0; STATUS_INVALID_DEVICE_STATE if it runs already; an error
 * status with a line in the log otherwise.
 */
SOFTNDK_EXPORT int32_t softndk_start(void);
/**
 * Stops it. Everything the consumers opened must be closed: what is not is listed on stderr, and the function waits for
 * it. Returns 0, or STATUS_INVALID_DEVICE_STATE if it does not run.
 */
SOFTNDK_EXPORT int32_t softndk_stop(void);
SOFTNDK_EXPORT int softndk_is_running(void);
/**
 * For a host that is about to give up: the timeline of the setting `trace` so far is written to its file, as
 * softndk_stop() would. 0, or STATUS_UNSUCCESSFUL with a line in the log.
 */
SOFTNDK_EXPORT int32_t softndk_write_trace(void);

/**
 * Starts the runtime, calls `body(context)` and stops the runtime: where the setting `world` says. On Linux that is on
 * the calling thread. In a simulation, world = sim(SEED), `body` is the first of the fibers that all threads are then:
 * they run one at a time, in an order that the seed draws, on a virtual clock and a simulated network, so one seed is
 * one run; a wait of a kernel call is a switch, and time jumps when all wait. The body uses kernel waits only, never the
 * host's. Returns the status of start or stop; STATUS_POSSIBLE_DEADLOCK when the simulation came to a point where
 * nothing can run and nothing will happen, STATUS_IO_TIMEOUT when it took more steps than the setting `sim_steps` or a
 * virtual day: then the log has had a line and a stack for each thread, and the process can start nothing any more.
 */
SOFTNDK_EXPORT int32_t softndk_run(void (*body)(void* context), void* context);
typedef struct softndk_run_info {
  uint64_t seed;
  uint64_t trace_hash; /* over every decision: equal for equal runs */
  uint64_t steps;
  uint64_t virtual_ns;
  const char* report; /* what was logged about a run that was given up, else empty */
} softndk_run_info;
/** About the last simulation of softndk_run(); zeros before. */
SOFTNDK_EXPORT void softndk_last_run(softndk_run_info* info);

/*
 * ---- settings: one table of names, each with a default, a range and a sentence. Sources, the later wins: default,
 * the file named by SOFTNDK_CONFIG (lines "name = value"), the environment (SOFTNDK_ and the name in capitals),
 * softndk_set().
 */

/** Takes effect at the next softndk_start(). STATUS_NOT_FOUND, STATUS_INVALID_PARAMETER, or 0. */
SOFTNDK_EXPORT int32_t softndk_set(const char* name, const char* value);
/** The value in effect as text, or NULL if there is no such setting. Valid until the next softndk_set() of that name. */
SOFTNDK_EXPORT const char* softndk_get(const char* name);
typedef struct softndk_setting {
  const char* name;
  const char* default_value;
  const char* range;   /* "on | off", "1..65535", "inline | nested | early | later | mixed(seed)" */
  const char* meaning;
} softndk_setting;
/** The table, `*count` rows; constant. */
SOFTNDK_EXPORT const softndk_setting* softndk_settings(size_t* count);

/* ---- interfaces */

typedef struct softndk_interface {
  uint32_t index;        /* the NET_IFINDEX that WskOpenNdkAdapter takes */
  char name[64];         /* "eth0" */
  char description[128]; /* what performance counters call it */
  int is_loopback;
  char addresses[8][64]; /* text, without port or prefix; empty strings at the end */
} softndk_interface;
/**
 * The adapters, or before softndk_start() the interfaces that would become adapters. Fills up to `capacity`; returns
 * how many there are.
 */
SOFTNDK_EXPORT size_t softndk_interfaces(softndk_interface* interfaces, size_t capacity);
/** By index ("3"), name ("eth0") or one of its addresses ("10.0.0.1"). The index, or 0 if there is none. */
SOFTNDK_EXPORT uint32_t softndk_find_interface(const char* which);

/* ---- drivers */

typedef struct softndk_driver softndk_driver;
struct _DRIVER_OBJECT;
struct _UNICODE_STRING;
typedef int32_t (*softndk_driver_entry)(struct _DRIVER_OBJECT* driver, struct _UNICODE_STRING* registry_path);
/**
 * Calls the DriverEntry of a driver that is linked into the program, as the kernel does. On an error status the driver
 * has undone itself and `*driver` is NULL.
 */
SOFTNDK_EXPORT int32_t softndk_load_driver(softndk_driver_entry entry, const char* name, softndk_driver** driver);
/**
 * Calls its DriverUnload, if it set one. Returns what it left behind: how many objects, pool blocks, MDLs and work items
 * that its code created are still there; they are listed on stderr. (Drivers that are linked into one program are told
 * apart only by the last one: the others return 0.) A DriverUnload that does not return for explain_wait_ms is explained
 * on stderr.
 */
SOFTNDK_EXPORT size_t softndk_unload_driver(softndk_driver* driver);

/**
 * For drivers of one's own, by which they say that they have done what they came for, and how it went; to be called
 * once, at <= DISPATCH_LEVEL. Tells the host (ndkrun ends its run then), or nobody.
 */
SOFTNDK_EXPORT void softndk_driver_done(int32_t status);
/** For hosts: who is told, on the driver's thread; null: nobody. Set it while no driver is loaded. */
SOFTNDK_EXPORT void softndk_on_driver_done(void (*told)(void* context, int32_t status), void* context);
/**
 * For hosts: 1 if no work item is queued or runs, no system thread runs and no KTIMER is set. What drivers do next is
 * then in answer to the network, or to a request of theirs that is pending.
 */
SOFTNDK_EXPORT int softndk_is_idle(void);
/**
 * For hosts: who gets the text of DbgPrint instead of stderr, as printed, newlines and all, on the printing thread at
 * its IRQL; null: stderr.
 */
SOFTNDK_EXPORT void softndk_on_debug_print(void (*print)(void* context, const char* text, size_t length),
                                           void* context);

/*
 * ---- the registry that drivers read their parameters from. The setting `registry` names a file that each start fills
 * it with; these do so at any time while the runtime runs (they start it otherwise). Values that drivers write are in
 * it until the runtime stops.
 */

/**
 * Merges a text file in the syntax of Registry Editor. STATUS_DATA_ERROR when a line was not understood: it is in the
 * log, and the other lines count. STATUS_OBJECT_NAME_NOT_FOUND and others when the file cannot be read.
 */
SOFTNDK_EXPORT int32_t softndk_registry_load(const char* path);
/** Writes it all to a text file that softndk_registry_load() reads. */
SOFTNDK_EXPORT int32_t softndk_registry_save(const char* path);

/* ---- OIDs of an adapter (ntddndis.h, ndisndk.h) */

/**
 * Returns an NDIS_STATUS; `*bytes` is what was written, or needed when the buffer was too short. Requests to one adapter
 * wait for one another; the direct one, which answers OID_NDK_STATISTICS only, waits for nobody (IRQL <=
 * DISPATCH_LEVEL).
 */
SOFTNDK_EXPORT int32_t softndk_oid_query(uint32_t interface_index, uint32_t oid, void* buffer, uint32_t length,
                                         uint32_t* bytes);
SOFTNDK_EXPORT int32_t softndk_oid_query_direct(uint32_t interface_index, uint32_t oid, void* buffer, uint32_t length,
                                                uint32_t* bytes);
SOFTNDK_EXPORT int32_t softndk_oid_set(uint32_t interface_index, uint32_t oid, const void* buffer, uint32_t length,
                                       uint32_t* bytes);

/* ---- what lives: for reports; both functions may be called at any time, also while softndk_stop() waits */

typedef struct softndk_object {
  uint64_t id;               /* never used again in this process */
  uint64_t parent;           /* the object it belongs to; 0: none */
  uint32_t depth;            /* 0: an adapter */
  uint32_t interface_index;  /* of its adapter */
  const char* type;          /* "adapter", "pd", "cq", "qp", "mr", "mw", "srq", "connector", "listener", "shared endpoint",
                                "lam"; "request": a call on its parent that has not completed yet */
  const void* object;        /* what the consumer holds; NULL for a request */
  const char* state;         /* in words */
  const char* local;         /* "10.0.0.1:445", or "" */
  const char* peer;
  uint64_t age_ns;           /* since it was created, or the request was made */
  const char* driver;        /* whose code created it; "" if that is not known */
  const void* created_by;    /* the code address that called; NULL for what nobody called for, and requests */
  const void* const* stack;  /* return addresses, innermost first; NULL unless the setting object_stacks is on */
  uint32_t stack_frames;
} softndk_object;
/** Parents come before their children. `object` and its texts are valid during the call; no lock is held. */
typedef void (*softndk_object_visitor)(void* context, const softndk_object* object);
/** Visits what lives; the visitor may be called again before this returns only by itself. Returns how many objects. */
SOFTNDK_EXPORT size_t softndk_visit_objects(softndk_object_visitor visit, void* context);
/** Prints them as a tree of lines, with their stacks; returns how many objects live (requests do not count). */
SOFTNDK_EXPORT size_t softndk_report_objects(int fd);
/** "driver_start+0x12 (driver.so)" of a code address; `text` is always terminated. */
SOFTNDK_EXPORT void softndk_describe_address(const void* address, char* text, size_t bytes);

/**
 * A private OID to set (one octet, 0 or 1): the adapter's device has failed, or works again. Consumers see what they
 * would see of a real failure: opens fail, and NDIS tells them to close.
 */
#define SOFTNDK_OID_DEVICE_WORKS 0xFF4E4401u
/**
 * Changes a keyword in one adapter's advanced properties, as an administrator does, which restarts the adapter: waits
 * until consumers have closed it. "*NetworkDirect" is "0" or "1". Not while the runtime is being stopped. STATUS_NOT_FOUND:
 * no such keyword or adapter.
 */
SOFTNDK_EXPORT int32_t softndk_set_keyword(uint32_t interface_index, const char* keyword, const char* value);

/* ---- what ndkstat reads */

/**
 * The JSON document that this process publishes: its adapters with limits, capabilities, counters, connections and
 * local endpoints, and the settings it started with (ndkstat(1) describes it). Writes up to `capacity` octets, without a
 * NUL; `*bytes` is the length of the whole. STATUS_BUFFER_TOO_SMALL: nothing was written. STATUS_INVALID_DEVICE_STATE:
 * the runtime does not run.
 */
SOFTNDK_EXPORT int32_t softndk_describe(char* text, size_t capacity, size_t* bytes);

/** "STATUS_CONNECTION_REFUSED", or "0x........" for a value without a name. Valid until the thread's next call. */
SOFTNDK_EXPORT const char* softndk_status_name(int32_t status);

#ifdef __cplusplus
}
#endif
#endif
