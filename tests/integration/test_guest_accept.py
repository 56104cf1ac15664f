#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel is asked before the commit: what becomes of a guest, and of those who ask, whatever they answer and whoever ends meanwhile.
The test is every vferry-accept, at the other end of vferry-accept.socket."""

import os
import select
import signal
import socket

import gvariant
import guests
import harness
import tap

Variant = guests.Variant
NONE = guests.NONE
TAKEN = {'outcome': ('s', 'completed'), 'state': ('s', 'STOP'), 'statistics': ('a{sv}', {})}
REFUSED = {'outcome': ('s', 'failed'), 'error': ('s', harness.error_name('Device')), 'message': ('s', 'the kernel does not take the state'),
           'statistics': ('a{sv}', {})}


class Question:
    """One vferry-accept."""

    def __init__(self, connection):
        self.connection = connection
        data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4 * 4))
        self.verb, self.arguments = gvariant.load('(sa{sv})', data)
        self.fds = [int.from_bytes(content[i:i + 4], 'little') for _, _, content in ancillary for i in range(0, len(content), 4)]
        with open(f'/proc/self/fdinfo/{self.fds[0]}', encoding='utf-8') as file:
            self.pid = int(dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)['Pid'])
        self.close_fds()

    def close_fds(self):
        while self.fds:
            os.close(self.fds.pop())

    def is_told(self, seconds=0.0):
        """`go`; '' when its caller has gone; None: nothing yet."""
        if not select.select([self.connection], [], [], seconds)[0]:
            return None
        data = self.connection.recv(65536)
        return gvariant.load('(sa{sv})', data)[0] if data else ''

    def answer(self, result):
        self.connection.send(gvariant.dump('(sa{sv})', ('result', result)))

    def close(self):
        self.connection.close()


class Test(guests.FaultTest):
    allowed = True

    def setUp(self):
        self.questions = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self.listener.close)
        super().setUp()

    def launch(self):
        path = os.path.join(self.environment['VFERRY_RUN_DIR'], 'accept')
        if not os.path.exists(path):
            self.listener.bind(path)
            self.listener.listen(16)
        self.configure(self.allowed)
        super().launch()

    def configure(self, allowed):
        folder = self.make_directory('config')
        with open(os.path.join(folder, 'vferry.conf'), 'w', encoding='utf-8') as file:
            file.write(f'[migration]\naccept-from-process={"yes" if allowed else "no"}\n')
        self.environment['VFERRY_CONFIG_DIR'] = folder

    def next_question(self):
        self.assertTrue(select.select([self.listener], [], [], 5 * harness.SLOW)[0], 'nobody asks')
        question = Question(self.listener.accept()[0])
        self.questions.append(question)
        self.addCleanup(question.close)
        return question

    def wait_for_go(self, question):
        self.assertEqual(question.is_told(20 * harness.SLOW), 'go')

    def assert_let_go(self, question):
        """Its device is closed."""
        self.assertEqual(question.is_told(5 * harness.SLOW), '', 'who asks goes on')

    def come_to_accepting(self, **options):
        self.prepare_all(**options)
        self.perform_guest()
        question = self.next_question()
        self.wait_for_go(question)
        self.wait_for_property(self.destination(), 'Phase', 'accepting')
        return question


class Nobody(Test):
    """The socket is there, and nobody listens at it any more."""

    def launch(self):
        self.listener.bind(os.path.join(self.environment['VFERRY_RUN_DIR'], 'accept'))
        self.configure(self.allowed)
        guests.FaultTest.launch(self)

    def test_refuses(self):
        self.prepare_all(source=guests.SLOWER)
        self.perform_guest()
        self.assert_failed()
        (made,) = self.made
        self.assertRegex(self.destination().get('Error')[1], f'device {made}: .*/accept: Connection refused')


class Answers(Test):
    def test_taken(self):
        question = self.come_to_accepting()
        (made,) = self.made
        self.assertEqual((question.verb, question.pid), ('accept-from-process', self.b.process.pid))
        path = question.arguments['path']
        self.assertEqual(os.path.basename(path), made)
        self.assertEqual({key: value for key, value in question.arguments.items() if key not in ('path', 'inode')},
                         {'uid': os.getuid(), 'allowed': True, 'wait': True})
        self.sleep(0.2)
        self.assertEqual(self.running(), set())
        question.answer(TAKEN)
        question.close()
        self.assert_crossed()

    def test_refused(self):
        question = self.come_to_accepting(source=guests.SLOWER)
        question.answer(REFUSED)
        question.close()
        self.assert_failed()
        (made,) = self.made
        self.assertIn(f'device {made}: the kernel does not take the state', self.destination().get('Error')[1])

    def test_hangs_up(self):
        question = self.come_to_accepting(source=guests.SLOWER)
        question.close()
        self.assert_failed()
        self.assertIn('vferry-accept has hung up without a result', self.destination().get('Error')[1])

    def test_hangs_up_early(self):
        """Before anybody is asked; what it is about is said when it would be."""
        self.hold['a'] = ['active']
        self.prepare_all()
        self.perform_guest()
        self.next_question().close()
        self.sleep(0.3)
        self.a.release()
        self.assert_failed()

    def test_never(self):
        question = self.come_to_accepting(source=guests.SLOWER)
        self.assert_failed()
        self.assertIn('the kernel has not said for', self.destination().get('Error')[1])
        self.assert_let_go(question)

    def test_twice(self):
        """The first counts."""
        question = self.come_to_accepting()
        question.answer(TAKEN)
        question.answer(REFUSED)
        question.close()
        self.assert_crossed()

    def test_before_it_is_asked(self):
        """Is no answer."""
        self.hold['a'] = ['active']
        self.prepare_all()
        self.perform_guest()
        question = self.next_question()
        question.answer(TAKEN)
        question.close()
        self.sleep(0.3)
        self.a.release()
        self.assert_failed()
        self.assertIn('the kernel was not asked, but an answer came', self.destination().get('Error')[1])


class Ends(Test):
    def test_fails_while_they_wait(self):
        self.hold['a'] = ['active']
        self.prepare_all(source=guests.SLOWER)
        self.perform_guest()
        question = self.next_question()
        self.source.call('Cancel', NONE)
        self.assert_failed('cancelled')
        self.assert_let_go(question)

    def test_cancel(self):
        for role in ('source', 'destination'):
            with self.case(role=role):
                question = self.come_to_accepting(source=guests.SLOWER)
                self.job(self.job_uuid, role).call('Cancel', NONE)
                self.assert_failed('cancelled', 'cancelled' if role == 'destination' else 'failed')
                self.assert_let_go(question)

    def test_destination_ends(self):
        question = self.come_to_accepting(source=guests.SLOWER)
        self.b.kill()
        question.answer(REFUSED)
        question.close()
        self.assert_failed()

    def test_destination_ends_taken(self):
        question = self.come_to_accepting(source=guests.SLOWER)
        self.b.kill()
        question.answer(TAKEN)
        question.close()
        self.assert_failed()

    def test_worker(self):
        for number in (0, 1):
            with self.case(number=number):
                question = self.come_to_accepting(source=guests.SLOWER)
                os.kill(self.find_workers()[number], signal.SIGKILL)
                self.assert_failed()
                self.assert_let_go(question)


class Silent(Test):
    hasty = True

    def test_daemon_stands_still(self):
        """The guest does not wait for it."""
        self.come_to_accepting()
        self.daemon.process.send_signal(signal.SIGSTOP)
        self.wait_for_running('a')
        self.wait_for(self.b.has_ended, 'the end of the QEMU that was to receive it')
        self.daemon.process.send_signal(signal.SIGCONT)
        self.assert_failed()
        self.assertIn('nobody has said within 1500 ms', self.destination().get('Error')[1])


class Daemon(Test):
    kept = True

    def test_killed(self):
        """The next daemon asks again."""
        question = self.come_to_accepting(source=guests.SLOWER)
        self.restart()
        self.assert_let_go(question)
        self.source = self.wait_for(lambda: self.job(self.job_uuid, 'source'), 'the job')
        question = self.next_question()
        self.wait_for_go(question)
        question.answer(TAKEN)
        question.close()
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.wait_for_running('b')

    def test_killed_while_they_wait(self):
        self.hold['a'] = ['active']
        self.prepare_all()
        self.perform_guest()
        self.next_question()
        self.restart()
        self.a.release()
        question = self.next_question()
        self.wait_for_go(question)
        question.answer(TAKEN)
        question.close()
        self.assertEqual(self.ends(), ('completed', 'completed'))
        self.wait_for_running('b')

    def test_destination_ends_meanwhile(self):
        """Nobody is left to ask about, and the guest does not wait for that."""
        self.come_to_accepting(source=guests.SLOWER)
        self.daemon.stop(signal.SIGKILL)
        self.b.kill()
        self.store.lose('destination', 'monitor')  # whose peer has gone
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        self.launch()
        self.wait_for_running('a')
        self.assertEqual(self.ends(), ('failed', 'failed'))

    def test_allowed_no_more(self):
        """The administrator has taken the leave back."""
        self.come_to_accepting(source=guests.SLOWER)
        self.allowed = False
        self.restart()
        question = self.next_question()
        self.assertFalse(question.arguments['allowed'])
        question.close()
        self.wait_for_running('a')


class Records(Test):
    def test_killed(self):
        question = self.come_to_accepting(source=guests.SLOWER)
        self.daemon.stop(signal.SIGKILL)
        self.assert_let_go(question)
        self.wait_for_running('a')
        self.assert_workers_gone()
        self.wait_for(lambda: not self.client.has_owner('org.vferry1'), 'the end of the name')
        super().launch()
        self.assertEqual(self.ends(), ('failed', 'failed'))


if __name__ == '__main__':
    tap.main()
