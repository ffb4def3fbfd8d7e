# SCTP by raw sockets, since few kernels have its own.
#   perl sctp.pl send ADDRESS PORT   sends the chunk that begins an association, over and over for five seconds
#   perl sctp.pl receive 4|6         prints `source-address destination-port` of the first packet
use strict;
use warnings;
use Socket qw(AF_INET AF_INET6 SOCK_RAW SOL_SOCKET SO_RCVTIMEO inet_pton inet_ntop pack_sockaddr_in pack_sockaddr_in6 unpack_sockaddr_in unpack_sockaddr_in6);

my ($mode, $where, $port) = @ARGV;

sub crc32c {
    my $crc = 0xffffffff;
    for my $byte (unpack 'C*', shift) {
        $crc ^= $byte;
        $crc = ($crc >> 1) ^ ($crc & 1 ? 0x82f63b78 : 0) for 1 .. 8;
    }
    return $crc ^ 0xffffffff;
}

if ($mode eq 'send') {
    my $six = $where =~ /:/;
    socket(my $socket, $six ? AF_INET6 : AF_INET, SOCK_RAW, 132) or die "socket: $!";
    my $to = $six ? pack_sockaddr_in6(0, inet_pton(AF_INET6, $where)) : pack_sockaddr_in(0, inet_pton(AF_INET, $where));
    my $ports = pack('nnN', 1024 + int(rand(60000)), $port, 0);
    my $init = pack('CCnNNnnN', 1, 0, 20, 4711, 65535, 1, 1, 1);
    my $packet = $ports . pack('V', crc32c($ports . pack('V', 0) . $init)) . $init;
    for (1 .. 50) {
        send($socket, $packet, 0, $to);
        select(undef, undef, undef, 0.1);
    }
} else {
    my $six = $where == 6;
    socket(my $socket, $six ? AF_INET6 : AF_INET, SOCK_RAW, 132) or die "socket: $!";
    setsockopt($socket, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 5, 0));
    my $from = recv($socket, my $packet, 2000, 0) or die "nothing came: $!";
    my $start = $six ? 0 : (unpack('C', $packet) & 15) * 4;
    my ($source, $destination) = unpack('nn', substr($packet, $start, 4));
    my (undef, $address) = $six ? unpack_sockaddr_in6($from) : unpack_sockaddr_in($from);
    print inet_ntop($six ? AF_INET6 : AF_INET, $address), " $destination\n";
}
