/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/procs.h"
#include "core_fixture.h"
#include "util/err.h"

/* m1 leads, all others are connected, m1 to m3 vote, everybody receives the log. */
static struct rig *leader(void)
{
    struct rig *r = rig_new(0);
    struct event *ev;
    for (unsigned i = 1; i < 5; i++) {
        rig_peer(r, i, true);
        (void)rig_report(r, i);
        rig_step(r);
    }
    ev = rig_event(r, EVENT_MEMBERS);
    ev->u.members.voters = 7;
    ev->u.members.members = 31;
    rig_step(r);
    rig_promote(r, 0, 1);
    rig_elect(r, 2, 1000);
    r->core.lead.phase = LEAD_STEADY;
    rig_open_effects(r);
    return r;
}

static void order(struct rig *r, int kind, unsigned node)
{
    struct command m = {.id = 9, .origin = 3, .kind = kind, .node = (uint8_t)node};
    rig_open_effects(r);
    membership_command(&r->core, &m);
}

static const struct reply *reply_of(const struct rig *r)
{
    const struct effect *e = rig_effect(r, EFFECT_REPLY, 0);
    assert_non_null(e);
    assert_int_equal(e->to, 3);
    assert_int_equal(e->u.reply.id, 9);
    return &e->u.reply;
}

static void refused(struct rig *r, int kind, unsigned node, const char *words)
{
    order(r, kind, node);
    assert_false(reply_of(r)->ok);
    if (strstr(reply_of(r)->text, words) == NULL)
        fail_msg("'%s' does not say '%s'", reply_of(r)->text, words);
    assert_null(rig_effect(r, EFFECT_MEMBERSHIP, 0));
    assert_null(rig_effect(r, EFFECT_PROPOSE, 0));
}

static void ended(struct rig *r, int err)
{
    struct event *ev = rig_event(r, EVENT_CHANGE);
    ev->u.change.id = r->core.membership.id;
    ev->u.change.err = err;
    rig_step(r);
}

static void test_what_may_not_leave(void **state)
{
    struct rig *r = leader();
    (void)state;
    refused(r, COMMAND_NODE_REMOVE, 0, "m1 is the writer");
    r->core.record.in_sync = 2;
    refused(r, COMMAND_NODE_REMOVE, 1, "tandem maintenance m2 on");
    r->core.record.in_sync = 0;
    r->core.lead.unresolved = 2; /* a grow of unknown outcome counts as a member */
    refused(r, COMMAND_NODE_REMOVE, 1, "in the in-sync set");
    r->core.lead.unresolved = 0;
    r->core.record.writer = 1;
    refused(r, COMMAND_NODE_REMOVE, 0, "m1 leads");
    r->core.record.writer = 0;
    r->core.view[2].up = false;
    refused(r, COMMAND_NODE_REMOVE, 1, "of the 2 voters then, only 1 can be reached");
    r->core.membership.voters = 3;
    refused(r, COMMAND_NODE_REMOVE, 1, "1 voter would be left");
    refused(r, COMMAND_NODE_REMOVE, NODE_NONE, "say which node");
    r->core.lead.phase = LEAD_PROCEDURE;
    refused(r, COMMAND_NODE_REMOVE, 4, "under way");
    rig_free(r);
}

static void test_a_lost_voter_leaves(void **state)
{
    struct rig *r = leader();
    const struct effect *e;
    (void)state;
    r->core.view[2].up = false;
    order(r, COMMAND_NODE_REMOVE, 2);
    assert_null(rig_effect(r, EFFECT_REPLY, 0)); /* it comes at the end */
    e = rig_effect(r, EFFECT_PROPOSE, 0);
    assert_non_null(e);
    assert_int_equal(e->u.proposal.entry.kind, ENTRY_FLAGS);
    assert_int_equal(e->u.proposal.entry.node, 2);
    assert_int_equal(e->u.proposal.entry.set, NODE_MAINTENANCE);
    e = rig_effect(r, EFFECT_MEMBERSHIP, 0);
    assert_non_null(e);
    assert_int_equal(e->to, 2);
    assert_int_equal(e->u.membership.wanted, MEMBERSHIP_NONE);
    refused(r, COMMAND_NODE_ADD, 4, "another change of the quorum");
    r->core.membership.voters = 3;
    ended(r, 0);
    assert_true(reply_of(r)->ok);
    assert_non_null(strstr(reply_of(r)->text, "2 voters, 2 must be up"));
    assert_false(r->core.membership.pending);
    rig_free(r);
}

static void test_what_is_needed_to_come(void **state)
{
    struct rig *r = leader();
    (void)state;
    r->core.membership.voters = 3;
    r->core.membership.members = 27;
    r->core.view[2].up = false;
    refused(r, COMMAND_NODE_ADD, 2, "install.sh --join");
    r->core.view[2].up = true;
    r->core.view[3].report.config_digest = r->cfg.digest + 1;
    refused(r, COMMAND_NODE_ADD, 2, "m4 runs with another cluster file");
    r->core.view[3].report.config_digest = r->cfg.digest;
    r->core.view[1].up = false; /* with m3 as a voter without a log two of three would be needed */
    order(r, COMMAND_NODE_ADD, 2);
    assert_int_equal(rig_effect(r, EFFECT_MEMBERSHIP, 0)->u.membership.wanted, MEMBERSHIP_VOTER);
    ended(r, ERR_TIMEOUT);
    assert_false(reply_of(r)->ok);
    assert_non_null(strstr(reply_of(r)->text, "same order again"));
    order(r, COMMAND_NODE_ADD, 2);
    ended(r, ERR_EXISTS);
    assert_non_null(strstr(reply_of(r)->text, "tandem node remove m3"));
    order(r, COMMAND_NODE_ADD, 4);
    assert_int_equal(rig_effect(r, EFFECT_MEMBERSHIP, 0)->u.membership.wanted, MEMBERSHIP_LEARNER);
    ended(r, 0);
    assert_non_null(strstr(reply_of(r)->text, "does not vote"));
    rig_free(r);
}

static void test_a_vote_is_taken_away_only_if_others_can_decide(void **state)
{
    struct rig *r = leader();
    (void)state;
    r->core.membership.voters = 15; /* m4 votes, and the file does not say so */
    r->core.view[1].up = r->core.view[2].up = false;
    refused(r, COMMAND_NODE_ADD, 3, "of the 3 voters then, only 1 can be reached");
    r->core.view[1].up = true;
    order(r, COMMAND_NODE_ADD, 3);
    assert_int_equal(rig_effect(r, EFFECT_MEMBERSHIP, 0)->u.membership.wanted, MEMBERSHIP_LEARNER);
    rig_free(r);
}

static void test_a_deposed_leader_answers(void **state)
{
    struct rig *r = leader();
    (void)state;
    order(r, COMMAND_NODE_REMOVE, 4);
    rig_event(r, EVENT_DEPOSED)->u.term = 3;
    rig_step(r);
    assert_false(reply_of(r)->ok);
    assert_non_null(strstr(reply_of(r)->text, "leader has changed"));
    ended(r, 0); /* nobody waits for it any more */
    assert_null(rig_effect(r, EFFECT_REPLY, 0));
    rig_free(r);
}

static void test_votes_are_counted_as_the_arbiter_says(void **state)
{
    struct rig *r = rig_new(0);
    (void)state;
    assert_true(membership_is_voter(&r->core, 2)); /* not told yet: the cluster file */
    assert_int_equal(membership_majority(&r->core), 2);
    membership_on_members(&r->core, 1u << 0 | 1u << 1, 3);
    assert_false(membership_is_voter(&r->core, 2));
    assert_false(membership_is_member(&r->core, 2));
    assert_int_equal(membership_voter_count(&r->core), 2);
    assert_int_equal(membership_majority(&r->core), 2);
    assert_int_equal(membership_voters_up(&r->core), 1);
    rig_peer(r, 1, true);
    assert_int_equal(membership_voters_up(&r->core), 2);
    rig_free(r);
}

/* The members of the set that is in the log may have left it in entries that are lost. */
static void test_a_rebuilt_quorum_empties_the_set_first(void **state)
{
    struct rig *r = rig_new(0);
    struct server_facts facts = rig_facts(5);
    const struct effect *e;
    struct entry *entry;
    (void)state;
    rig_promote(r, 1, 1);
    rig_grow(r, 0, 100);
    rig_server(r, 100, &facts);
    r->core.rebuilt = true;
    rig_elect(r, 1001, 1000);
    assert_int_equal(r->core.lead.phase, LEAD_BARRIER);
    assert_true(r->core.rebuilt);
    e = NULL;
    for (unsigned i = 0; i < 50 && e == NULL; i++) {
        rig_tick(r, 10);
        e = rig_effect(r, EFFECT_PROPOSE, 0);
    }
    if (e == NULL) {
        assert_true(r->core.lead.proposal.pending); /* made in the step of the election */
        assert_int_equal(r->core.lead.proposal.entry.kind, ENTRY_SHRINK);
    } else {
        assert_int_equal(e->u.proposal.entry.kind, ENTRY_SHRINK);
    }
    entry = rig_entry(r, ENTRY_SHRINK);
    entry->node = NODE_NONE;
    entry->mask = (1u << NODES_MAX) - 1;
    rig_step(r);
    assert_false(r->core.rebuilt);
    assert_int_equal(r->core.record.in_sync, 0);
    assert_true(rig_logged(r, "quorum-rebuilt"));
    rig_tick(r, 10);
    assert_int_not_equal(r->core.lead.phase, LEAD_PROCEDURE); /* it is no heir any more */
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_may_not_leave),
        cmocka_unit_test(test_a_lost_voter_leaves),
        cmocka_unit_test(test_what_is_needed_to_come),
        cmocka_unit_test(test_a_vote_is_taken_away_only_if_others_can_decide),
        cmocka_unit_test(test_a_deposed_leader_answers),
        cmocka_unit_test(test_votes_are_counted_as_the_arbiter_says),
        cmocka_unit_test(test_a_rebuilt_quorum_empties_the_set_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
