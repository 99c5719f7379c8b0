/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the arbiters, as pure functions on values. Of raft: times and their inequalities,
 * who may win an election and which messages pass, the lease, the guard of a transfer; they know
 * nothing of the library that runs the algorithm, src/arbiter puts them in front of it. Of vrrp:
 * whether the Master may lead, and until when (core/arbiter_pair.h).
 */
#ifndef TANDEM_CORE_ARBITER_H
#define TANDEM_CORE_ARBITER_H

#include "core/arbiter_lease.h"
#include "core/arbiter_pair.h"
#include "core/arbiter_timing.h"
#include "core/arbiter_transfer.h"
#include "core/arbiter_vote.h"

#endif
