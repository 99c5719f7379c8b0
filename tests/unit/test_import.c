/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keepalived.conf of pairs: what is said of every line and which cluster file comes out, against
 * data/keepalived/NAME.expect (with TANDEM_TEST_REWRITE=1 they are written), and what is no
 * keepalived.conf.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/config/config_file.h"
#include "io/config/draft.h"
#include "io/config/import.h"

struct pair {
    struct keepalived_tree *trees[IMPORT_SIDES];
    const char *paths[IMPORT_SIDES];
    struct import_options options;
    char *out;
    char *err;
    int result;
};

static void pair_load(struct pair *p)
{
    for (unsigned i = 0; i < IMPORT_SIDES && p->paths[i] != NULL; i++) {
        struct errmsg m = ERRMSG_INIT;
        if (keepalived_tree_load(p->paths[i], &m, &p->trees[i]) != 0)
            fail_msg("%s", m.text);
    }
}

static void pair_free(struct pair *p)
{
    for (unsigned i = 0; i < IMPORT_SIDES; i++)
        keepalived_tree_free(p->trees[i]);
    free(p->out);
    free(p->err);
}

/* Translates, reports, and lets the result pass the check of cluster files. */
static void pair_import(struct pair *p)
{
    size_t out_size = 0, err_size = 0;
    FILE *out = open_memstream(&p->out, &out_size), *err = open_memstream(&p->err, &err_size);
    pair_load(p);
    p->result = p->paths[1] != NULL ? import_translate(p->trees, p->paths, &p->options, out, err)
                                    : import_look(p->trees[0], p->paths[0], &p->options, err);
    for (unsigned i = 0; i < IMPORT_SIDES && p->paths[i] != NULL; i++)
        import_report(p->trees[i], err);
    assert_int_equal(fclose(out), 0);
    if (p->result == 0 && p->paths[1] != NULL) {
        static struct cluster_config c;
        struct config_errors errors;
        int r = config_parse(p->out, strlen(p->out), &c, &errors);
        config_errors_print(&errors, "out", err);
        assert_int_equal(r, 0);
    }
    assert_int_equal(fclose(err), 0);
}

/* Without comments and blank lines: the defaults in them are the option table's matter. */
static void print_plain(const char *text, FILE *out)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n"), indent = strspn(text, " ");
        if (n > indent && text[indent] != '#')
            fprintf(out, "%.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static char *read_text(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *in = fopen(path, "re");
    assert_non_null(text);
    if (in == NULL)
        fail_msg("no %s", path);
    (void)!fread(text, 1, 65535, in);
    (void)fclose(in);
    return text;
}

static void check_case(const char *name, struct pair *p)
{
    char path[256], *told = NULL, *expected;
    size_t size = 0;
    FILE *f = open_memstream(&told, &size);
    pair_import(p);
    fputs(p->err, f);
    print_plain(p->out, f);
    fprintf(f, "%s\n", p->result == 0 ? "taken" : "refused");
    assert_int_equal(fclose(f), 0);
    (void)snprintf(path, sizeof path, "%s.expect", name);
    if (getenv("TANDEM_TEST_REWRITE") != NULL) {
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(told, f);
        assert_int_equal(fclose(f), 0);
    }
    expected = read_text(path);
    if (strcmp(told, expected) != 0)
        print_error("%s: expected\n%sgot\n%s", name, expected, told);
    assert_string_equal(told, expected);
    free(expected);
    free(told);
    pair_free(p);
}

/* The two of the reference document, as they are. */
static void test_reference_pair(void **state)
{
    struct pair p = {.paths = {"m1.keepalived", "m2.keepalived"}};
    (void)state;
    check_case("reference", &p);
}

static void test_reference_pair_with_a_third_node(void **state)
{
    struct pair p = {.paths = {"m1.keepalived", "m2.keepalived"}};
    (void)state;
    p.options.cluster = "demo";
    p.options.names[0] = "m1";
    p.options.names[1] = "m2";
    p.options.extra[p.options.n_extra++] = (struct import_extra){"m3", "172.17.0.15", "replica"};
    check_case("reference-raft", &p);
}

static void test_values_of_the_reference_pair(void **state)
{
    static struct cluster_config c;
    struct pair p = {.paths = {"m1.keepalived", "m2.keepalived"}};
    struct config_errors errors;
    (void)state;
    pair_import(&p);
    assert_int_equal(config_parse(p.out, strlen(p.out), &c, &errors), 0);
    assert_int_equal(c.arbiter.type, CONFIG_ARBITER_VRRP);
    assert_int_equal(c.vrrp.router_id, 100);
    assert_int_equal(c.vrrp.version, 2);
    assert_int_equal(c.vrrp.advert_interval_ms, 1000);
    assert_string_equal(c.vrrp.password, "1111");
    assert_int_equal(c.n_nodes, 2);
    assert_string_equal(c.nodes[0].name, "HA-M1");
    assert_string_equal(c.nodes[1].address, "172.17.0.11");
    assert_int_equal(c.nodes[0].priority, 100);
    assert_int_equal(c.nodes[1].priority, 50);
    assert_true(c.policy.preempt);
    assert_string_equal(c.vips[0].address, "172.17.0.101");
    assert_int_equal(c.vips[0].prefix, 32);
    assert_string_equal(c.vips[0].label, "eth0:vip");
    assert_string_equal(c.nodes[1].hooks.notify, "/etc/keepalived/kpad_notify.sh");
    pair_free(&p);
}

static void test_rich_pair(void **state)
{
    struct pair p = {.paths = {"rich-a.keepalived", "rich-b.keepalived"}};
    (void)state;
    check_case("rich", &p);
}

/* Of each kind one script, the instance's before the group's; arguments are kept, and who calls. */
static void test_hooks(void **state)
{
    struct pair p = {.paths = {"hooks-a.keepalived", "hooks-b.keepalived"}};
    (void)state;
    check_case("hooks", &p);
}

static void test_virtual_mac(void **state)
{
    struct pair p = {.paths = {"vmac-a.keepalived", "vmac-b.keepalived"}};
    (void)state;
    check_case("vmac", &p);
}

/* Whoever is preferred while nothing fails is preferred in the cluster file: 90 and weights of 20
 * against 100. A script that is tracked and defined nowhere does not count. */
static void test_weights(void **state)
{
    static struct cluster_config c;
    struct pair p = {.paths = {"weights-a.keepalived", "weights-b.keepalived"}};
    struct config_errors errors;
    (void)state;
    pair_import(&p);
    assert_int_equal(p.result, 0);
    assert_int_equal(config_parse(p.out, strlen(p.out), &c, &errors), 0);
    assert_int_equal(c.nodes[0].priority, 110);
    assert_int_equal(c.nodes[1].priority, 100);
    pair_free(&p);
    p = (struct pair){.paths = {"weights-a.keepalived", "weights-b.keepalived"}};
    check_case("weights", &p);
}

/* The same file on both nodes, but for what the command line says. */
static void test_pair_without_names(void **state)
{
    struct pair p = {.paths = {"long.keepalived", "long.keepalived"}};
    (void)state;
    pair_import(&p);
    assert_int_equal(p.result, ERR_FORMAT);
    assert_non_null(strstr(p.err, "no router_id tells the node's name; say it with --name NAME"));
    pair_free(&p);
    p = (struct pair){.paths = {"long.keepalived", "long.keepalived"}};
    p.options.names[0] = "a";
    p.options.names[1] = "b";
    p.options.addresses[0] = "10.13.0.1";
    p.options.addresses[1] = "10.13.0.2";
    check_case("long", &p);
}

/* The order of the files is the order of the nodes. */
static void test_who_preempts_does_not_depend_on_the_order(void **state)
{
    struct pair p = {.paths = {"m2.keepalived", "m1.keepalived"}};
    (void)state;
    pair_import(&p);
    assert_int_equal(p.result, 0);
    assert_non_null(strstr(p.out, "    preempt = true\n"));
    assert_true(strstr(p.out, "node HA-M2") < strstr(p.out, "node HA-M1"));
    pair_free(&p);
}

static void test_pair_that_does_not_fit(void **state)
{
    struct pair p = {.paths = {"many.keepalived", "other.keepalived"}};
    (void)state;
    p.options.instance = "DB";
    check_case("misfit", &p);
}

static void test_one_file_alone(void **state)
{
    struct pair p = {.paths = {"many.keepalived", NULL}};
    (void)state;
    p.options.instance = "DB";
    check_case("alone", &p);
}

static void test_instance_has_to_be_chosen(void **state)
{
    struct pair p = {.paths = {"many.keepalived", NULL}};
    (void)state;
    pair_import(&p);
    assert_int_equal(p.result, ERR_FORMAT);
    assert_non_null(strstr(p.err, "many.keepalived:7: error: several instances that do not move "
                                  "together, 'WEB' and 'DB'; say with --instance"));
    pair_free(&p);
    p = (struct pair){.paths = {"many.keepalived", NULL}};
    p.options.instance = "XX";
    pair_import(&p);
    assert_non_null(strstr(p.err, "there is no vrrp_instance 'XX' in it"));
    pair_free(&p);
}

/* Routers that move together keep their numbers, and what is only held is only held. */
static void test_addresses_that_are_only_held(void **state)
{
    struct pair p = {.paths = {"held-a.keepalived", "held-b.keepalived"}};
    (void)state;
    check_case("held", &p);
}

/* With raft there is no such thing. */
static void test_only_held_in_raft(void **state)
{
    struct pair p = {.paths = {"held-a.keepalived", "held-b.keepalived"}};
    (void)state;
    p.options.extra[p.options.n_extra++] = (struct import_extra){"w", "192.0.2.3", "witness"};
    check_case("held-raft", &p);
}

/* Which of them is the database's may be said, and then its addresses are answered. */
static void test_instance_that_is_only_held_is_the_databases(void **state)
{
    struct pair p = {.paths = {"held-a.keepalived", "held-b.keepalived"}};
    (void)state;
    p.options.instance = "GATE";
    pair_import(&p);
    assert_int_equal(p.result, 0);
    assert_non_null(strstr(p.out, "cluster = gate\n"));
    assert_non_null(strstr(p.out, "    router_id = 7\n"));
    assert_non_null(strstr(p.out, "    router_id = 8\n"));
    assert_non_null(strstr(p.err, "held-a.keepalived:5: carried   vrrp_strict: accept = false, of "
                                  "addresses that are not the database's"));
    pair_free(&p);
}

/* What Keepalived 2.2 makes of the words. 70 is never the database's: 60 is answered. */
static void test_accept_mode(void **state)
{
#define NEVER "accept = false, of its addresses"
#define ALWAYS "its addresses are answered, which is the default"
    static const struct {
        const char *global, *instance, *told;
    } cases[] = {
        {"vrrp_version 3", "no_accept", "no_accept: " NEVER},
        {"vrrp_version 3", "no_accept\naccept", "accept: " ALWAYS},
        {"vrrp_version 3", "accept\nno_accept", "no_accept: " NEVER},
        {"vrrp_version 3", "strict_mode", "strict_mode: " NEVER},
        {"vrrp_version 3", "strict_mode on\naccept", "accept: " ALWAYS},
        {"", "strict_mode on\naccept", "accept: " NEVER}, /* of version 2 */
        {"vrrp_strict", "accept", "accept: " NEVER},
        {"vrrp_strict", "accept\nstrict_mode no", "accept: " ALWAYS},
        {"vrrp_version 3\nvrrp_strict", "accept", "accept: " ALWAYS},
        {"", "no_accept\npriority 255", "no_accept: " ALWAYS}, /* the addresses are its own */
        {"vrrp_strict", "strict_mode yes\n", "vrrp_strict: accept = false, of addresses"},
        {"vrrp_strict", "strict_mode off\n", "vrrp_strict: clients of the database talk"},
        {"", "@other no_accept\naccept", "no_accept: a conditional line"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        struct keepalived_tree *t = NULL;
        struct import_options options = {.cluster = NULL};
        struct errmsg m = ERRMSG_INIT;
        char *told = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&told, &size);
        (void)snprintf(text, sizeof text,
                       "global_defs {\n%s\n}\nvrrp_sync_group G {\ngroup {\nA\nB\n}\n}\n"
                       "vrrp_instance A {\nvirtual_router_id 60\nstrict_mode off\n"
                       "virtual_ipaddress {\n192.0.2.60\n}\n}\n"
                       "vrrp_instance B {\nvirtual_router_id 70\n%s\n"
                       "virtual_ipaddress {\n192.0.2.70\n}\n}\n",
                       cases[i].global, cases[i].instance);
        assert_int_equal(keepalived_tree_parse(text, strlen(text), "f", &m, &t), 0);
        (void)!import_look(t, "f", &options, f);
        import_report(t, f);
        assert_int_equal(fclose(f), 0);
        if (strstr(told, cases[i].told) == NULL)
            fail_msg("%s / %s: no '%s' in\n%s", cases[i].global, cases[i].instance, cases[i].told,
                     told);
        free(told);
        keepalived_tree_free(t);
    }
}

/* A pair has one other node, by the address that its own file says: other peers, and what else is
 * said of one, are told. */
static void test_unicast_peers(void **state)
{
    struct pair p = {.paths = {"peers-a.keepalived", "peers-b.keepalived"}};
    (void)state;
    check_case("peers", &p);
}

static void test_peers_of_one_file_alone(void **state)
{
    struct pair p = {.paths = {"peers-a.keepalived", NULL}};
    (void)state;
    pair_import(&p);
    assert_non_null(strstr(p.err, "peers-a.keepalived:16: left      10.0.0.3: a pair has one other "
                                  "node; its own file tells which peer it is"));
    assert_null(strstr(p.err, "the other node's address"));
    pair_free(&p);
    p = (struct pair){.paths = {"peers-b.keepalived", NULL}};
    pair_import(&p);
    assert_non_null(strstr(p.err, "10.0.0.7: the other node's address"));
    pair_free(&p);
}

/* Instances that move together share one value, and one call of each script: who had none, and
 * whose call is gone, is told. */
static void test_group_has_one_of_each(void **state)
{
    struct pair p = {.paths = {"group-a.keepalived", "group-b.keepalived"}};
    (void)state;
    check_case("group", &p);
}

/* With raft nothing is told of what VRRP alone had. */
static void test_group_in_raft(void **state)
{
    struct pair p = {.paths = {"group-a.keepalived", "group-b.keepalived"}};
    (void)state;
    p.options.extra[p.options.n_extra++] = (struct import_extra){"w", "192.0.2.3", "witness"};
    pair_import(&p);
    assert_int_equal(p.result, 0);
    assert_non_null(strstr(p.err, "note: vrrp_instance WEB has no priority (with Keepalived 100)"));
    assert_null(strstr(p.err, "has no auth_pass"));
    assert_null(strstr(p.err, "has no advert_int"));
    pair_free(&p);
}

/* With a fraction, in the resolution of the option, and as it is told. */
static void test_preempt_delay(void **state)
{
    static const struct {
        const char *delay, *told, *written; /* written NULL: refused */
    } cases[] = {
        {"preempt_delay 30", "policy.preempt_delay = 30s\n", "preempt_delay = 30s\n"},
        {"preempt_delay 4.12", "policy.preempt_delay = 4120ms\n", "preempt_delay = 4120ms\n"},
        {"preempt_delay 0.5", "policy.preempt_delay = 500ms\n", "preempt_delay = 500ms\n"},
        {"preempt_delay 0", "policy.preempt_delay = 0s\n", "preempt_delay = 0s\n"},
        {"preempt_delay 1.23456", "= 1235ms, rounded to milliseconds", "preempt_delay = 1235ms\n"},
        {"preempt_delay soon", "error: preempt_delay is 'soon'; allowed: seconds up to 1000", NULL},
        {"preempt_delay 1001", "error: preempt_delay is '1001'", NULL},
        {"preempt_delay -1", "error: preempt_delay is '-1'", NULL},
        {"", "f:1: note: there is no preempt_delay, so Keepalived takes", ""},
        {"advert_int 0.256", "vrrp.advert_interval = 260 ms, rounded to the protocol's",
         "advert_interval = 260\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const char format[] = "vrrp_instance A {\nversion 3\nvirtual_router_id 60\n"
                                     "priority %u\n%s\nvirtual_ipaddress { 192.0.2.60 dev e }\n}\n";
        const char *const paths[] = {"f", "g"};
        struct keepalived_tree *trees[IMPORT_SIDES] = {NULL};
        struct import_options options = {.names = {"a", "b"},
                                         .addresses = {"10.0.0.1", "10.0.0.2"}};
        struct errmsg m = ERRMSG_INIT;
        char text[256], *told = NULL, *out = NULL;
        size_t size = 0, out_size = 0;
        FILE *f = open_memstream(&told, &size), *o = open_memstream(&out, &out_size);
        for (unsigned k = 0; k < IMPORT_SIDES; k++) {
            (void)snprintf(text, sizeof text, format, 100 - k, cases[i].delay);
            assert_int_equal(keepalived_tree_parse(text, strlen(text), paths[k], &m, &trees[k]), 0);
        }
        assert_int_equal(import_translate(trees, paths, &options, o, f),
                         cases[i].written != NULL ? 0 : ERR_FORMAT);
        import_report(trees[0], f);
        assert_int_equal(fclose(f) + fclose(o), 0);
        if (strstr(told, cases[i].told) == NULL)
            fail_msg("%s: no '%s' in\n%s", cases[i].delay, cases[i].told, told);
        if (cases[i].written != NULL)
            assert_non_null(strstr(out, cases[i].written));
        /* Only of who preempts. */
        assert_null(strstr(told, "g:1: note: there is no preempt_delay"));
        free(told);
        free(out);
        for (unsigned k = 0; k < IMPORT_SIDES; k++)
            keepalived_tree_free(trees[k]);
    }
}

/* A side that drops what the other one answers. */
static void test_sides_that_differ_in_what_is_held(void **state)
{
    static const char text[] = "vrrp_sync_group G { group { A\nB } }\n"
                               "vrrp_instance A {\nvirtual_router_id 60\n"
                               "virtual_ipaddress { 192.0.2.60 }\n}\n"
                               "vrrp_instance B {\nvirtual_router_id %u\n%s\n"
                               "virtual_ipaddress { 192.0.2.70 }\n}\n";
    static const struct {
        unsigned id;
        const char *word, *told;
    } cases[] = {
        {70, "no_accept", "g:10: error: what is sent to it is dropped, but accepted in f"},
        {71, "accept", "g:10: error: virtual_router_id is '71', but '70' in f"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const paths[] = {"f", "g"};
        char texts[2][512];
        struct keepalived_tree *trees[IMPORT_SIDES] = {NULL};
        struct import_options options = {.names = {"a", "b"},
                                         .addresses = {"10.0.0.1", "10.0.0.2"}};
        struct errmsg m = ERRMSG_INIT;
        char *told = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&told, &size);
        (void)snprintf(texts[0], sizeof texts[0], text, 70u, "accept");
        (void)snprintf(texts[1], sizeof texts[1], text, cases[i].id, cases[i].word);
        for (unsigned k = 0; k < IMPORT_SIDES; k++)
            assert_int_equal(
                keepalived_tree_parse(texts[k], strlen(texts[k]), paths[k], &m, &trees[k]), 0);
        assert_int_equal(import_translate(trees, paths, &options, f, f), ERR_FORMAT);
        assert_int_equal(fclose(f), 0);
        if (strstr(told, cases[i].told) == NULL)
            fail_msg("no '%s' in\n%s", cases[i].told, told);
        free(told);
        for (unsigned k = 0; k < IMPORT_SIDES; k++)
            keepalived_tree_free(trees[k]);
    }
}

/* Each statement has a line of its own, or stands in a block that has, and that says how many it
 * stands for. */
static void assert_all_told(const struct keepalived_statement *s, const char *name)
{
    for (; s != NULL; s = s->next) {
        if (s->fate == KEEPALIVED_UNSEEN)
            fail_msg("%s:%u: nothing is told of '%s'", name, s->line, s->words[0]);
        assert_true(strlen(s->note) > 0);
        if (s->child != NULL && s->child->fate != KEEPALIVED_UNSEEN)
            assert_all_told(s->child, name);
        for (const struct keepalived_statement *c = s->child; c != NULL; c = c->next)
            assert_true((c->fate == KEEPALIVED_UNSEEN) == (s->child->fate == KEEPALIVED_UNSEEN));
    }
}

/* Whatever the file: the sums of the report are all of its statements. */
static void test_nothing_is_dropped(void **state)
{
    static const char *const names[] = {
        "m1.keepalived",      "m2.keepalived",        "rich-a.keepalived",    "many.keepalived",
        "other.keepalived",   "weights-a.keepalived", "weights-b.keepalived", "held-a.keepalived",
        "peers-a.keepalived", "peers-b.keepalived",   "group-a.keepalived"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct pair p = {.paths = {names[i], NULL}};
        unsigned all, carried, replaced, left;
        pair_import(&p);
        assert_int_equal(sscanf(strstr(p.err, " statements: ") - 2,
                                "%u statements: %u carried over, %u replaced, %u left out", &all,
                                &carried, &replaced, &left),
                         4);
        assert_int_equal(all, keepalived_count(keepalived_tree_top(p.trees[0])));
        assert_int_equal(all, carried + replaced + left);
        assert_all_told(keepalived_tree_top(p.trees[0]), names[i]);
        pair_free(&p);
    }
}

/* --- syntax ------------------------------------------------------------------------------------
 */

static int parse(const char *text, struct errmsg *m, struct keepalived_tree **ret)
{
    return keepalived_tree_parse(text, strlen(text), "f", m, ret);
}

static void test_syntax(void **state)
{
    static const char text[] = "# nothing\n"
                               "$A=one\r\n"
                               "$B = two words\n"
                               "key \"a b\" c\\#d ! comment\n"
                               "block{ x $A ${B}\n"
                               "  y }\n"
                               "next\n"
                               "{\n"
                               "  long \\\n"
                               "  line ${C} $D\n"
                               "}\n"
                               "@cond key value\n";
    struct keepalived_tree *t = NULL;
    struct keepalived_statement *s;
    struct errmsg m = ERRMSG_INIT;
    (void)state;
    if (parse(text, &m, &t) != 0)
        fail_msg("%s", m.text);
    s = keepalived_tree_top(t);
    assert_int_equal(s->line, 4);
    assert_int_equal(s->n_words, 3);
    assert_string_equal(s->words[1], "a b");
    assert_string_equal(s->words[2], "c#d");
    assert_string_equal(keepalived_word(s, 3), "");
    s = s->next;
    assert_string_equal(s->words[0], "block");
    assert_true(s->block);
    assert_int_equal(s->end_line, 6);
    assert_int_equal(s->child->n_words, 4);
    assert_string_equal(s->child->words[1], "one");
    assert_string_equal(s->child->words[3], "words");
    assert_string_equal(s->child->next->words[0], "y");
    s = keepalived_find(s, "next");
    assert_true(s->block);
    assert_string_equal(s->child->words[2], "${C}");
    assert_string_equal(s->child->words[3], "$D");
    s = s->next;
    assert_true(s->conditional);
    assert_string_equal(s->words[0], "key");
    assert_null(s->next);
    assert_int_equal(keepalived_count(keepalived_tree_top(t)), 7);
    keepalived_tree_free(t);
}

static void test_what_is_no_configuration(void **state)
{
    static const struct {
        const char *text;
        int err;
        const char *says;
    } rows[] = {
        {"a {\n b {\n}\n", ERR_FORMAT, "f:1: the block 'a' has no end"},
        {"a\n}\n", ERR_FORMAT, "f:2: a closing brace without a block"},
        {"{\n}\n", ERR_FORMAT, "f:1: a block without a name"},
        {"a { }\n{ }\n", ERR_FORMAT, "f:2: a block without a name"},
        {"a \"b\n", ERR_FORMAT, "f:1: a quote without its end"},
        {"a\n~SEQ(x, 1, 2)\n", ERR_FORMAT, "f:2: sequences are not understood: '~SEQ(x,'"},
        {"@id\n", ERR_FORMAT, "f:1: a condition without a statement"},
        {"a {\n@id }\n", ERR_FORMAT, "f:2: a condition without a statement"},
        {"\ninclude x.conf\n", ERR_UNSUPPORTED, "f:2: include of 'x.conf'"},
        {"a { a { a { a { a { a { a { a { a { a { a { a { a { a { a { a {", ERR_FULL,
         "f:1: blocks too deep"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct keepalived_tree *t = NULL;
        struct errmsg m = ERRMSG_INIT;
        assert_int_equal(parse(rows[i].text, &m, &t), rows[i].err);
        assert_string_equal(m.text, rows[i].says);
        assert_null(t);
    }
}

static void test_bounds_of_a_file(void **state)
{
    static char text[KEEPALIVED_FILE_MAX];
    struct keepalived_tree *t = NULL;
    struct errmsg m = ERRMSG_INIT;
    (void)state;
    memset(text, 'x', 5000);
    assert_int_equal(parse(text, &m, &t), ERR_FULL);
    assert_string_equal(m.text, "f:1: line too long");
    for (unsigned i = 0; i < sizeof text - 2; i += 2)
        memcpy(text + i, "a\n", 3);
    assert_int_equal(parse(text, &m, &t), ERR_FULL);
    assert_string_equal(m.text, "f:20001: too many statements");
    for (unsigned i = 0; i < 200; i += 2)
        memcpy(text + i, "a ", 3);
    assert_int_equal(parse(text, &m, &t), ERR_FULL);
    assert_string_equal(m.text, "f:1: too many words");
    assert_int_equal(keepalived_tree_parse("a\0b", 3, "f", &m, &t), ERR_FORMAT);
    assert_int_equal(keepalived_tree_load("/nonexistent", &m, &t), ERR_NOTFOUND);
}

/* What is no cluster file is not written, and what cannot be written whole leaves no file that the
 * next try would stumble over. */
static void test_file_is_whole_or_none(void **state)
{
    struct rlimit limit, none;
    struct errmsg m = ERRMSG_INIT;
    char dir[] = "/tmp/test-import-XXXXXX", path[64],
         *text = read_text("../config/good-reference.conf");
    FILE *told = fopen("/dev/null", "we");
    (void)state;
    assert_non_null(told);
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/new.conf", dir);
    assert_int_equal(draft_store("cluster = ", path, told, told, &m), ERR_FORMAT);
    assert_non_null(strstr(m.text, "nothing was written"));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(draft_store(text, path, told, told, &m), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(draft_store(text, path, told, told, &m), 0);
    assert_int_equal(draft_store(text, path, told, told, &m), ERR_IO);
    assert_non_null(strstr(m.text, "File exists"));
    (void)unlink(path);
    (void)rmdir(dir);
    (void)fclose(told);
    free(text);
}

static int setup(void **state)
{
    char path[4096];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/keepalived", getenv("TANDEM_TEST_DATA"));
    return chdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_pair),
        cmocka_unit_test(test_reference_pair_with_a_third_node),
        cmocka_unit_test(test_values_of_the_reference_pair),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_addresses_that_are_only_held),
        cmocka_unit_test(test_only_held_in_raft),
        cmocka_unit_test(test_instance_that_is_only_held_is_the_databases),
        cmocka_unit_test(test_accept_mode),
        cmocka_unit_test(test_sides_that_differ_in_what_is_held),
        cmocka_unit_test(test_unicast_peers),
        cmocka_unit_test(test_peers_of_one_file_alone),
        cmocka_unit_test(test_group_has_one_of_each),
        cmocka_unit_test(test_group_in_raft),
        cmocka_unit_test(test_preempt_delay),
        cmocka_unit_test(test_rich_pair),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_virtual_mac),
        cmocka_unit_test(test_pair_without_names),
        cmocka_unit_test(test_who_preempts_does_not_depend_on_the_order),
        cmocka_unit_test(test_pair_that_does_not_fit),
        cmocka_unit_test(test_one_file_alone),
        cmocka_unit_test(test_instance_has_to_be_chosen),
        cmocka_unit_test(test_nothing_is_dropped),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_what_is_no_configuration),
        cmocka_unit_test(test_bounds_of_a_file),
        cmocka_unit_test(test_file_is_whole_or_none),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
