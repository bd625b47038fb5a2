#pragma once
// A whole run of ndkperf, from understood options to the exit code.
#include "tools/common/common_options.h"
#include "tools/ndkperf/perf_plan.h"
#include "tools/ndkperf/perf_report.h"

namespace softndk::tools {

ExitCode run_perf(const CommonOptions& common, const PerfPlan& plan, TableStyle style);

}  // namespace softndk::tools
