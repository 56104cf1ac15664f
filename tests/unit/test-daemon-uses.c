/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib.h>

#include "error.h"
#include "uses.h"

#define DEVICE "11111111-2222-4333-8444-555555555555"
#define OTHER "0000:01:00.0"
#define JOB "22222222-2222-4333-8444-555555555555"

/* Says no to one device, and counts the questions. */
static gboolean
check(gpointer user, const VfTouch *touch, GError **error)
{
    guint *asked = g_object_get_data(user, "asked");

    (*asked)++;
    if (!g_str_equal(touch->id, DEVICE) || touch->lent)
        return TRUE;
    return vf_touch_refuse_job(touch, JOB, g_object_get_data(user, "in-doubt") != NULL, error);
}

static GObject *
add_user(VfUses *uses, guint *asked, gboolean in_doubt)
{
    GObject *user = g_object_new(G_TYPE_OBJECT, NULL);

    *asked = 0;
    g_object_set_data(user, "asked", asked);
    g_object_set_data(user, "in-doubt", in_doubt ? user : NULL);
    vf_uses_add(uses, check, user);
    return user;
}

static void
test_everybody_is_asked(void)
{
    g_autoptr(VfUses) uses = vf_uses_new();
    guint asked[2];
    G_GNUC_UNUSED g_autoptr(GObject) first = add_user(uses, &asked[0], TRUE);
    G_GNUC_UNUSED g_autoptr(GObject) second = add_user(uses, &asked[1], FALSE);
    g_autoptr(GError) error = NULL;

    g_assert_true(vf_uses_check(uses, &(VfTouch){.id = OTHER}, &error));
    g_assert_no_error(error);
    g_assert_true(vf_uses_check(uses, &(VfTouch){.id = DEVICE, .lent = TRUE}, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(asked[0], ==, 2);
    g_assert_cmpuint(asked[1], ==, 2);
    g_assert_false(vf_uses_check(uses, &(VfTouch){.id = DEVICE}, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_IN_DOUBT);
    g_assert_nonnull(strstr(error->message, JOB));
    g_assert_nonnull(strstr(error->message, DEVICE));
    g_assert_cmpuint(asked[1], ==, 2);
}

static void
test_who_has_gone_is_not_asked(void)
{
    g_autoptr(VfUses) uses = vf_uses_new();
    guint asked[2];
    GObject *first = add_user(uses, &asked[0], TRUE);
    G_GNUC_UNUSED g_autoptr(GObject) second = add_user(uses, &asked[1], FALSE);
    g_autoptr(GError) error = NULL;

    g_object_unref(first);
    g_assert_false(vf_uses_check(uses, &(VfTouch){.id = DEVICE}, &error));
    g_assert_error(error, VFERRY_ERROR, VFERRY_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, JOB));
    g_assert_cmpuint(asked[0], ==, 0);
}

/* What a device is counts where both sides know it; a name where one does not. */
static void
test_identity(void)
{
    const VfTouch known = {.id = DEVICE, .inode = 7};
    const VfTouch to_be_made = {.id = DEVICE};

    g_assert_true(vf_touch_is_of(&known, DEVICE, 7));
    g_assert_true(vf_touch_is_of(&known, DEVICE, 0));
    g_assert_false(vf_touch_is_of(&known, DEVICE, 8));
    g_assert_false(vf_touch_is_of(&known, OTHER, 7));
    g_assert_false(vf_touch_is_of(&known, NULL, 0));
    g_assert_true(vf_touch_is_of(&to_be_made, DEVICE, 8));
    g_assert_false(vf_touch_is_of(&to_be_made, OTHER, 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uses/everybody-is-asked", test_everybody_is_asked);
    g_test_add_func("/uses/who-has-gone-is-not-asked", test_who_has_gone_is_not_asked);
    g_test_add_func("/uses/identity", test_identity);
    return g_test_run();
}
