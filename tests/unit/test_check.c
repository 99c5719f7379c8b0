/* SPDX-License-Identifier: Apache-2.0 */
/* Every check of check.def: a world in which nothing is wrong, and for each one in which only that
 * is. */
#include "core/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"
#include "wire/survey.h"

#define NODES 4
#define FAULTY 1 /* m2, a candidate that is not the writer */

struct place {
    struct cluster_config cfg;
    struct check_world w;
    struct report reports[NODES];
    struct check_local local[NODES];
};

static void node(struct place *p, unsigned i, const char *name, int role, uint32_t priority)
{
    struct config_node *n = &p->cfg.nodes[i];
    struct report *r = &p->reports[i];
    struct server_facts *f = &r->facts;
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    (void)snprintf(n->address, sizeof n->address, "10.0.0.%u", i + 1);
    n->role = role;
    n->priority = priority;
    n->source = NODE_NONE;
    r->config_digest = p->cfg.digest;
    r->health = HEALTH_OK;
    r->link_up = true;
    r->reaches = (1u << NODES) - 1;
    (void)snprintf(r->agent_version, sizeof r->agent_version, "1.2.3");
    r->host = (struct host_facts){.known = true,
                                  .judged = UINT32_MAX,
                                  .data_size_mb = 100000,
                                  .data_free_mb = 50000,
                                  .state_size_mb = 10000,
                                  .state_free_mb = 5000,
                                  .certificate_days = 400,
                                  .ca_days = 3000};
    f->flavour = SERVER_MYSQL;
    f->version = 80400;
    (void)snprintf(f->version_text, sizeof f->version_text, "8.4.0");
    f->server_id = i + 1;
    (void)snprintf(f->server_uuid, sizeof f->server_uuid, "uuid-%u", i);
    f->read_only = i != 0;
    p->local[i] = (struct check_local){.root = true,
                                       .login = true,
                                       .grants = true,
                                       .replication_accounts = 2,
                                       .powers_known = true};
    p->w.nodes[i] = (struct check_node){.report = r,
                                        .facts = f,
                                        .host = &r->host,
                                        .local = &p->local[i],
                                        .skew_known = true,
                                        .skew_ms = 20};
}

/* m1 writes, m2 stands by, m3 replicates, w4 votes. */
static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->cfg.n_nodes = NODES;
    p->cfg.digest = 0xabc;
    p->cfg.n_vips = 1;
    p->cfg.policy.disk_free_min_mb = 200;
    (void)snprintf(p->cfg.vips[0].device, sizeof p->cfg.vips[0].device, "eth0");
    node(p, 0, "m1", CONFIG_ROLE_CANDIDATE, 100);
    node(p, 1, "m2", CONFIG_ROLE_CANDIDATE, 50);
    node(p, 2, "m3", CONFIG_ROLE_REPLICA, 0);
    node(p, 3, "w4", CONFIG_ROLE_WITNESS, 0);
    p->w.nodes[3].facts = NULL;
    p->w.cfg = &p->cfg;
    p->w.asked = true;
    p->w.digest = 0xabc;
    p->w.version = "1.2.3";
    p->w.writer = 0;
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static unsigned row_of(const char *id)
{
    for (unsigned i = 0; check_row(i) != NULL; i++) {
        if (strcmp(check_row(i)->id, id) == 0)
            return i;
    }
    fail_msg("no check '%s'", id);
    return 0;
}

static enum check_level level(const struct place *p, unsigned n, const char *id)
{
    struct errmsg detail;
    return check_judge(&p->w, n, row_of(id), &detail);
}

/* ---- one fault each, in m2 ---- */

#define LOCAL(name, statement)                     \
    static void break_##name(struct place *p)      \
    {                                              \
        struct check_local *l = &p->local[FAULTY]; \
        statement;                                 \
    }
#define REPORT(name, statement)                 \
    static void break_##name(struct place *p)   \
    {                                           \
        struct report *r = &p->reports[FAULTY]; \
        statement;                              \
    }
#define TEXT(field) (void)snprintf(field, sizeof(field), "something")

LOCAL(root, l->root = false)
LOCAL(file_doubts, TEXT(l->file_doubts))
LOCAL(timing, TEXT(l->timing))
LOCAL(nftables, TEXT(l->nftables))
LOCAL(ports, TEXT(l->ports))
LOCAL(files, TEXT(l->files))
LOCAL(login, l->login = false)
LOCAL(privileges, TEXT(l->privileges))
LOCAL(cure_privileges, TEXT(l->cure_privileges))
LOCAL(replication_account, l->replication_accounts = 0)
LOCAL(paths, TEXT(l->paths))
LOCAL(salvage_program, TEXT(l->salvage_program))
LOCAL(engines, l->engines = 3)
LOCAL(connect_errors, l->connect_errors = 999999)
LOCAL(powers, TEXT(l->powers))
REPORT(same_file, r->config_digest = 0xdef)
REPORT(same_version, TEXT(r->agent_version))
REPORT(reaches, r->reaches &= ~4u)
REPORT(trouble, TEXT(r->trouble))
REPORT(certificate, r->host.ca_days = -1)
REPORT(certificate_days, r->host.certificate_days = 29)
REPORT(realtime, r->host.wrong = HOST_REALTIME)
REPORT(memlock, r->host.wrong = HOST_MEMLOCK)
REPORT(oom, r->host.wrong = HOST_OOM)
REPORT(address, r->host.wrong = HOST_ADDRESS)
REPORT(device, r->host.wrong = HOST_DEVICE; r->host.devices = 1)
REPORT(link, r->link_up = false)
REPORT(secondaries, r->host.wrong = HOST_SECONDARIES)
REPORT(data_space, r->host.data_free_mb = 4999)
REPORT(state_space, r->host.state_free_mb = 511)
REPORT(server, r->health = HEALTH_HUNG)
REPORT(supported, r->facts.settings = SETTING_ENGINE)
REPORT(same_flavour, r->facts.flavour = SERVER_MARIADB)
REPORT(older, r->facts.version = 80036)
REPORT(server_id, r->facts.server_id = 1)
REPORT(server_uuid, memcpy(r->facts.server_uuid, "uuid-2", 7))
REPORT(read_only, r->facts.read_only = false)
REPORT(replication, r->facts.sql_errno = 1062)
REPORT(foreign, r->facts.foreign_channels = true)
REPORT(xa, r->facts.xa_prepared = 1)

static void break_agent(struct place *p)
{
    p->w.nodes[FAULTY].report = NULL;
}

static void break_clock(struct place *p)
{
    p->w.nodes[FAULTY].skew_ms = -1001;
}

static const struct {
    const char *id;
    void (*spoil)(struct place *p);
    uint32_t setting;
} faults[] = {
#define CHECK(name, id, of, needs, level, asked, why, fix) {id, break_##name, 0},
#define CHECK_SETTING(bit, id, of, level, asked, why, fix) {id, NULL, SETTING_##bit},
#include "core/check.def"
#undef CHECK
#undef CHECK_SETTING
};
#define FAULTS (sizeof faults / sizeof faults[0])

static void test_nothing_is_wrong(void **state)
{
    struct place *p = *state;
    for (unsigned n = 0; n < NODES; n++) {
        for (unsigned i = 0; check_row(i) != NULL; i++) {
            struct errmsg detail;
            enum check_level l = check_judge(&p->w, n, i, &detail);
            if (l != CHECK_OK && l != CHECK_NONE)
                fail_msg("%s of %s: %s: %s", check_row(i)->id, p->cfg.nodes[n].name,
                         check_level_text(l), detail.text);
        }
    }
}

/* Each fault is found by its own check, with its own level, and by that alone; in m2 alone, except
 * for what two have in common. */
static void test_each_fault(void **state)
{
    struct place *p = *state;
    for (unsigned k = 0; k < FAULTS; k++) {
        (void)teardown(state);
        (void)setup(state);
        p = *state;
        if (faults[k].spoil != NULL)
            faults[k].spoil(p);
        else
            p->reports[FAULTY].facts.settings |= faults[k].setting;
        for (unsigned i = 0; check_row(i) != NULL; i++) {
            struct errmsg detail;
            enum check_level l = check_judge(&p->w, FAULTY, i, &detail);
            bool own = strcmp(check_row(i)->id, faults[k].id) == 0;
            if (own ? l != check_row(i)->level : l == CHECK_WARNING || l == CHECK_FAULT)
                fail_msg("with fault %s: %s is %s (%s)", faults[k].id, check_row(i)->id,
                         check_level_text(l), detail.text);
        }
    }
    assert_true(FAULTS > 40);
}

/* An account that may not ask: not known is not none. */
static void test_prepared_transactions_that_are_not_told(void **state)
{
    struct place *p = *state;
    p->reports[FAULTY].facts.xa_prepared = XA_PREPARED_UNKNOWN;
    assert_int_equal(level(p, FAULTY, "xa-prepared"), CHECK_WARNING);
}

static void test_what_is_not_known(void **state)
{
    struct place *p = *state;
    p->w.nodes[1] = (struct check_node){.report = NULL};
    assert_int_equal(level(p, 1, "agent"), CHECK_FAULT);
    assert_int_equal(level(p, 1, "same-file"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 1, "sync-binlog"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 1, "oom"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 1, "engines"), CHECK_UNKNOWN);
    p->w.asked = false;
    assert_int_equal(level(p, 1, "agent"), CHECK_UNKNOWN);
    /* Seen by hand on the host, before there are agents: the writer of another stack is open. */
    p->w.nodes[0].report = NULL;
    p->w.writer = NODE_NONE;
    assert_int_equal(level(p, 0, "read-only"), CHECK_OK);
    p->local[0].connect_errors = SURVEY_CONNECT_ERRORS;
    assert_int_equal(level(p, 0, "connect-errors"), CHECK_OK);
    p->local[0].powers_known = false;
    assert_int_equal(level(p, 0, "account-powers"), CHECK_UNKNOWN);
    p->local[0].powers_known = true;
    p->local[0].engines = p->local[0].connect_errors = p->local[0].replication_accounts = -1;
    assert_int_equal(level(p, 0, "connect-errors"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "account-powers"), CHECK_UNKNOWN);
    p->local[0].grants = false;
    assert_int_equal(level(p, 0, "engines"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "replication-account"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "privileges"), CHECK_UNKNOWN);
    p->local[0].login = false;
    assert_int_equal(level(p, 0, "server-paths"), CHECK_UNKNOWN);
    p->reports[0].host.judged = HOST_ADDRESS;
    assert_int_equal(level(p, 0, "realtime"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "certificate-days"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "vip-device"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "promote-secondaries"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "address"), CHECK_OK);
    p->reports[0].host.judged = 0;
    assert_int_equal(level(p, 0, "address"), CHECK_UNKNOWN);
    p->reports[0].host.data_size_mb = p->reports[0].host.state_size_mb = 0;
    assert_int_equal(level(p, 0, "data-space"), CHECK_UNKNOWN);
    assert_int_equal(level(p, 0, "state-space"), CHECK_UNKNOWN);
    p->w.nodes[0].skew_known = false;
    p->w.nodes[0].report = &p->reports[0];
    assert_int_equal(level(p, 0, "clock"), CHECK_UNKNOWN);
}

static void test_who_is_asked_what(void **state)
{
    struct place *p = *state;
    assert_int_equal(level(p, 3, "sync-binlog"), CHECK_NONE);
    assert_int_equal(level(p, 3, "agent"), CHECK_OK);
    assert_int_equal(level(p, 2, "semi-sync"), CHECK_NONE);
    assert_int_equal(level(p, 2, "vip-device"), CHECK_NONE);
    /* A further server of a pair has no agent. */
    p->cfg.arbiter.type = CONFIG_ARBITER_VRRP;
    assert_int_equal(level(p, 2, "agent"), CHECK_NONE);
    assert_int_equal(level(p, 2, "sync-binlog"), CHECK_OK);
}

/* A replica of m2 has to be as new as m2, not as the writer. */
static void test_older_than_its_source(void **state)
{
    struct place *p = *state;
    p->reports[2].facts.version = 80036;
    assert_int_equal(level(p, 2, "server-older"), CHECK_WARNING);
    assert_int_equal(level(p, 0, "server-older"), CHECK_OK);
    p->cfg.nodes[2].source = 1;
    p->reports[1].facts.version = 80036;
    assert_int_equal(level(p, 2, "server-older"), CHECK_OK);
    assert_int_equal(level(p, 1, "server-older"), CHECK_WARNING);
    p->reports[1].facts.version = 80400;
    p->reports[0].facts.version = 80405;
    assert_int_equal(level(p, 1, "server-older"), CHECK_OK);
}

static void test_details(void **state)
{
    struct place *p = *state;
    struct errmsg d;
    p->reports[1].facts.server_id = 3;
    (void)check_judge(&p->w, 1, row_of("server-id"), &d);
    assert_string_equal(d.text, "3 is also that of m3");
    p->reports[1].reaches = 1u << 1;
    (void)check_judge(&p->w, 1, row_of("reaches-all"), &d);
    assert_string_equal(d.text, "it does not hear m1, m3, w4");
    p->w.nodes[1].skew_ms = -62345;
    (void)check_judge(&p->w, 1, row_of("clock"), &d);
    assert_string_equal(d.text, "it is 62.3 s behind");
    p->cfg.policy.disk_free_min_mb = 30000;
    (void)check_judge(&p->w, 1, row_of("data-space"), &d);
    assert_non_null(strstr(d.text, "wanted: 60000"));
}

static void test_rows(void **state)
{
    (void)state;
    for (unsigned i = 0; check_row(i) != NULL; i++) {
        const struct check_row *r = check_row(i);
        assert_int_equal(row_of(r->id), i);
        assert_true(r->level == CHECK_WARNING || r->level == CHECK_FAULT);
        assert_true(strlen(r->asked) > 0 && strlen(r->why) > 0 && strlen(r->fix) > 0);
    }
    assert_null(check_row(FAULTS));
}

/* What an agent knows: fresh reports, facts of servers that answer, clocks. */
static void test_of_core(void **state)
{
    struct place *p = *state;
    struct core *core = calloc(1, sizeof *core);
    struct check_world w;
    assert_non_null(core);
    p->cfg.arbiter.heartbeat_ms = 100;
    core_init(core, &p->cfg, 0, 1000);
    core->now_us = 100000000;
    core->wall_ms = 1700000000000;
    core->record.writer = 0;
    for (unsigned i = 0; i < 3; i++) {
        core->view[i].have = core->view[i].up = true;
        core->view[i].at_us = core->now_us - 100000;
        core->view[i].report = p->reports[i];
        core->view[i].report.wall_ms = core->wall_ms - 100;
    }
    core->view[1].report.wall_ms += 5000;
    core->view[2].at_us = 0;
    core->view[1].report.host.known = false;
    check_of_core(core, &w);
    assert_true(w.asked);
    assert_int_equal(w.writer, 0);
    assert_ptr_equal(w.nodes[0].report, &core->view[0].report);
    assert_non_null(w.nodes[0].facts);
    assert_int_equal(w.nodes[0].skew_ms, 0);
    assert_int_equal(w.nodes[1].skew_ms, 5000);
    assert_null(w.nodes[1].host);
    assert_null(w.nodes[2].report);
    assert_null(w.nodes[3].report);
    core->view[1].report.health = HEALTH_HUNG;
    core->view[0].report.wall_ms = 0;
    check_of_core(core, &w);
    assert_null(w.nodes[1].facts);
    assert_false(w.nodes[0].skew_known);
    free(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prepared_transactions_that_are_not_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_asked_what, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_than_its_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_details, setup, teardown),
        cmocka_unit_test(test_rows),
        cmocka_unit_test_setup_teardown(test_of_core, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
