/* SPDX-License-Identifier: Apache-2.0 */
/* A copy beside a data directory: made, put in place, taken away, and each of that interrupted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clone/clone_dir.h"
#include "scratch.h"

struct place {
    char base[64];
    char data[96];
    struct clone_dir dir;
};

static void put(const struct place *p, const char *name, const char *text)
{
    char path[CLONE_PATH_MAX];
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/%s", p->base, name);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* The text of a file, "" if there is none. */
static const char *get(const struct place *p, const char *name)
{
    static char text[256];
    char path[CLONE_PATH_MAX];
    FILE *f;
    text[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/%s", p->base, name);
    f = fopen(path, "re");
    if (f == NULL)
        return text;
    if (fgets(text, sizeof text, f) == NULL)
        text[0] = '\0';
    (void)fclose(f);
    return text;
}

static bool there(const struct place *p, const char *name)
{
    char path[CLONE_PATH_MAX];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", p->base, name);
    return stat(path, &st) == 0;
}

static void make_dir(const struct place *p, const char *name)
{
    char path[CLONE_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", p->base, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    struct errmsg m = ERRMSG_INIT;
    assert_non_null(p);
    (void)snprintf(p->base, sizeof p->base, "/tmp/test-clone-dir-XXXXXX");
    assert_non_null(mkdtemp(p->base));
    (void)snprintf(p->data, sizeof p->data, "%s/data", p->base);
    make_dir(p, "data");
    make_dir(p, "data/shop");
    put(p, "data/ibdata1", "old");
    put(p, "data/shop/t.ibd", "old");
    put(p, "data/auto.cnf", "own uuid");
    put(p, "data/server-key.pem", "own key");
    put(p, "data/backup-my.cnf", "of an earlier copy");
    put(p, "data/m1.log", "own log");
    assert_int_equal(clone_dir_find(p->data, &p->dir, &m), 0);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    scratch_remove(p->base);
    free(p);
    return 0;
}

/* What the copying process leaves behind when it has received everything. */
static void make_copy(struct place *p)
{
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(clone_dir_begin(&p->dir, /* make= */ true, &m), 0);
    make_dir(p, "data.tandem/new/shop");
    put(p, "data.tandem/new/ibdata1", "new");
    put(p, "data.tandem/new/shop/t.ibd", "new");
    put(p, "data.tandem/new/backup-my.cnf", "of this copy");
    assert_int_equal(clone_dir_ready(&p->dir, "0-1-7", &m), 0);
}

static void check_look(const struct place *p, int expected, const char *position)
{
    struct clone_report r;
    clone_dir_look(&p->dir, &r);
    assert_int_equal(r.state, expected);
    assert_string_equal(r.position, position);
}

static void check_placed(const struct place *p)
{
    assert_string_equal(get(p, "data/ibdata1"), "new");
    assert_string_equal(get(p, "data/shop/t.ibd"), "new");
    assert_string_equal(get(p, "data/auto.cnf"), "own uuid");
    assert_string_equal(get(p, "data/server-key.pem"), "own key");
    assert_string_equal(get(p, "data/backup-my.cnf"), "of this copy");
    assert_string_equal(get(p, "data.tandem/old/ibdata1"), "old");
    assert_string_equal(get(p, "data.tandem/old/auto.cnf"), "own uuid");
    check_look(p, CLONE_PLACED, "0-1-7");
}

/* What a server for the copy needs is gone with the copy, and before the next one. */
static void test_spare_is_not_left_behind(void **state)
{
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    struct stat owner, data;
    assert_false(p->dir.inside);
    assert_int_equal(stat(p->data, &data), 0);
    assert_int_equal(clone_dir_begin(&p->dir, /* make= */ false, &m), 0);
    for (unsigned round = 0; round < 2; round++) { /* the second one finds a server's files */
        assert_int_equal(clone_dir_make_spare(&p->dir, &owner, &m), 0);
        assert_int_equal(owner.st_uid, data.st_uid);
        assert_false(there(p, "data.tandem/spare/pid"));
        put(p, "data.tandem/spare/pid", "7");
    }
    assert_int_equal(clone_dir_begin(&p->dir, /* make= */ true, &m), 0);
    assert_false(there(p, "data.tandem/spare"));
    assert_int_equal(clone_dir_make_spare(&p->dir, &owner, &m), 0);
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_KEPT, &m), 0);
    assert_false(there(p, "data.tandem"));
}

static void test_whole_way(void **state)
{
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    char log[128];
    check_look(p, CLONE_NONE, "");
    make_copy(p);
    check_look(p, CLONE_READY, "0-1-7");
    assert_string_equal(get(p, "data/ibdata1"), "old");
    (void)snprintf(log, sizeof log, "%s/data/m1.log", p->base);
    assert_int_equal(clone_dir_place(&p->dir, log, &m), 0);
    check_placed(p);
    assert_string_equal(get(p, "data/m1.log"), "own log");
    /* Once more: nothing is moved a second time. */
    assert_int_equal(clone_dir_place(&p->dir, log, &m), 0);
    check_placed(p);
    assert_int_equal(clone_dir_adopted(&p->dir, &m), 0);
    check_look(p, CLONE_ADOPTED, "0-1-7");
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_REMOVED, &m), 0);
    assert_false(there(p, "data.tandem"));
    assert_string_equal(get(p, "data/ibdata1"), "new");
    check_look(p, CLONE_NONE, "");
}

/* The state that a crash leaves when some names have been moved and others not. */
static void interrupted(struct place *p, const char *word, const char *const *moved,
                        const char *from, const char *to)
{
    char a[CLONE_PATH_MAX], b[CLONE_PATH_MAX], text[64];
    for (; *moved != NULL; moved++) {
        (void)snprintf(a, sizeof a, "%s/%s/%s", p->base, from, *moved);
        (void)snprintf(b, sizeof b, "%s/%s/%s", p->base, to, *moved);
        assert_int_equal(rename(a, b), 0);
    }
    (void)snprintf(text, sizeof text, "%s\n0-1-7\n", word);
    put(p, "data.tandem/state", text);
}

static void test_old_data_is_kept(void **state)
{
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    make_copy(p);
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_KEPT, &m), 0);
    check_look(p, CLONE_NONE, "");
    assert_string_equal(get(p, "data.tandem/old/ibdata1"), "old");
    /* Another copy leaves it where it is. */
    put(p, "data/ibdata1", "between");
    make_copy(p);
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    assert_string_equal(get(p, "data.tandem/old/ibdata1"), "old");
    assert_string_equal(get(p, "data.tandem/old.1/ibdata1"), "between");
    assert_string_equal(get(p, "data/ibdata1"), "new");
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_REMOVED, &m), 0);
    assert_false(there(p, "data.tandem/old.1"));
    assert_string_equal(get(p, "data.tandem/old/ibdata1"), "old");
}

/* A copy that is of no use: its order goes on with another one, and in the end removes what both
 * have moved out. */
static void test_old_data_of_one_order(void **state)
{
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    make_copy(p);
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_STAYS, &m), 0);
    check_look(p, CLONE_NONE, "");
    make_copy(p);
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    assert_true(there(p, "data.tandem/old") && there(p, "data.tandem/old.1"));
    put(p, "data.tandem/state.next", "half written");
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_REMOVED, &m), 0);
    assert_false(there(p, "data.tandem"));
}

/* Somebody has removed the first one meanwhile; a move that was cut short goes on to the last. */
static void test_old_data_that_somebody_removed(void **state)
{
    static const char *const moved[] = {"ibdata1", NULL};
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    make_copy(p);
    make_dir(p, "data.tandem/old.1");
    put(p, "data.tandem/old.1/.kept", "");
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    assert_string_equal(get(p, "data.tandem/old.2/ibdata1"), "old");
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_REMOVED, &m), 0);
    assert_true(there(p, "data.tandem/old.1"));
    put(p, "data/shop/t.ibd", "between");
    make_copy(p);
    make_dir(p, "data.tandem/old.2");
    interrupted(p, "out", moved, "data", "data.tandem/old.2");
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    assert_false(there(p, "data.tandem/old"));
    assert_string_equal(get(p, "data.tandem/old.2/shop/t.ibd"), "between");
}

static void test_copy_that_is_not_whole(void **state)
{
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    assert_int_equal(clone_dir_place(&p->dir, "", &m), ERR_STATE);
    assert_int_equal(clone_dir_begin(&p->dir, /* make= */ true, &m), 0);
    put(p, "data.tandem/new/ibdata1", "half");
    check_look(p, CLONE_FAILED, "");
    assert_int_equal(clone_dir_place(&p->dir, "", &m), ERR_STATE);
    assert_int_equal(clone_dir_adopted(&p->dir, &m), ERR_STATE);
    assert_string_equal(get(p, "data/ibdata1"), "old");
    /* Begun anew: nothing of the half one is left. */
    make_copy(p);
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    check_placed(p);
}

static void test_interrupted_on_the_way_out(void **state)
{
    static const char *const moved[] = {"ibdata1", "auto.cnf", NULL};
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    make_copy(p);
    put(p, "data.tandem/new/auto.cnf", "own uuid");
    put(p, "data.tandem/new/server-key.pem", "own key");
    make_dir(p, "data.tandem/old");
    interrupted(p, "out", moved, "data", "data.tandem/old");
    check_look(p, CLONE_READY, "0-1-7");
    assert_int_equal(clone_dir_clear(&p->dir, CLONE_OLD_REMOVED, &m), ERR_STATE);
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    check_placed(p);
    assert_string_equal(get(p, "data.tandem/old/shop/t.ibd"), "old");
}

static void test_interrupted_on_the_way_in(void **state)
{
    static const char *const out[] = {
        "ibdata1", "auto.cnf", "server-key.pem", "shop", "backup-my.cnf", "m1.log", NULL};
    static const char *const in[] = {"shop", NULL};
    struct place *p = *state;
    struct errmsg m = ERRMSG_INIT;
    make_copy(p);
    put(p, "data.tandem/new/auto.cnf", "own uuid");
    put(p, "data.tandem/new/server-key.pem", "own key");
    make_dir(p, "data.tandem/old");
    interrupted(p, "out", out, "data", "data.tandem/old");
    interrupted(p, "in", in, "data.tandem/new", "data");
    check_look(p, CLONE_READY, "0-1-7");
    assert_int_equal(clone_dir_place(&p->dir, "", &m), 0);
    check_placed(p);
}

static void test_sizes(void **state)
{
    struct place *p = *state;
    uint64_t all = 0, without = 0, room = 0;
    put(p, "data/m1-bin.000001", "much");
    assert_int_equal(clone_dir_size(&p->dir, "", &all), 0);
    assert_int_equal(clone_dir_size(&p->dir, "m1-bin", &without), 0);
    assert_true(all > without);
    assert_true(without > 0);
    assert_int_equal(clone_dir_room(&p->dir, &room), 0);
    assert_true(room > 0);
}

static void test_no_data_directory(void **state)
{
    struct clone_dir d;
    struct errmsg m = ERRMSG_INIT;
    (void)state;
    assert_int_equal(clone_dir_find("/nowhere/data", &d, &m), ERR_NOTFOUND);
    assert_non_null(strstr(m.text, "create it"));
}

/* What lies within a file system of its own is moved within it. */
static void test_place_of_a_mount_point(void **state)
{
    struct clone_dir d;
    struct errmsg m = ERRMSG_INIT;
    struct stat own, above;
    (void)state;
    if (stat("/proc", &own) != 0 || stat("/", &above) != 0)
        fail();
    assert_true(own.st_dev != above.st_dev);
    assert_int_equal(clone_dir_find("/proc/", &d, &m), 0);
    assert_string_equal(d.root, "/proc/.tandem");
}

/* A copy beside the link could lie on another file system than the data. */
static void test_data_directory_behind_a_link(void **state)
{
    struct place *p = *state;
    struct clone_dir d;
    struct errmsg m = ERRMSG_INIT;
    char link[CLONE_PATH_MAX], beside[CLONE_PATH_MAX];
    uint64_t bytes = 0, same = 0;
    make_dir(p, "elsewhere");
    (void)snprintf(link, sizeof link, "%s/elsewhere/data", p->base);
    (void)snprintf(beside, sizeof beside, "%s.tandem", p->data);
    assert_int_equal(symlink(p->data, link), 0);
    assert_int_equal(clone_dir_find(link, &d, &m), 0);
    assert_string_equal(d.root, beside);
    assert_int_equal(clone_dir_size(&d, "", &bytes), 0);
    assert_int_equal(clone_dir_size(&p->dir, "", &same), 0);
    assert_true(bytes == same && bytes > 0);
    p->dir = d;
    make_copy(p);
    assert_int_equal(clone_dir_place(&d, "", &m), 0);
    check_placed(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spare_is_not_left_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_data_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_data_of_one_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_data_that_somebody_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy_that_is_not_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupted_on_the_way_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupted_on_the_way_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_directory_behind_a_link, setup, teardown),
        cmocka_unit_test(test_no_data_directory),
        cmocka_unit_test(test_place_of_a_mount_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
