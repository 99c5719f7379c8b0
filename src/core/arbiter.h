/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the raft arbiter, as pure functions on values: times and their inequalities, who may
 * win an election and which messages pass, the lease, the guard of a transfer. They know nothing of
 * the library that runs the algorithm; src/arbiter puts them in front of it.
 */
#ifndef TANDEM_CORE_ARBITER_H
#define TANDEM_CORE_ARBITER_H

#include "core/arbiter_lease.h"
#include "core/arbiter_timing.h"
#include "core/arbiter_transfer.h"
#include "core/arbiter_vote.h"

#endif
