import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.File;
import java.io.FileWriter;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Netty as a test peer, its TLS by the OpenSSL provider: Server PORT LOG CERTIFICATE KEY. */
public class Server {
    static FileWriter log;

    static byte[] body(int size) {
        StringBuilder text = new StringBuilder();
        while (text.length() < size) {
            text.append(String.format("%8d bytes, at %8d\n", size, text.length()));
        }
        return text.substring(0, size).getBytes(StandardCharsets.US_ASCII);
    }

    static class Answer extends SimpleChannelInboundHandler<FullHttpRequest> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) throws Exception {
            QueryStringDecoder target = new QueryStringDecoder(request.uri());
            String[] path = target.path().split("/");
            int status = 200;
            byte[] content = "taken\n".getBytes();
            if (request.headers().contains("If-None-Match")) {
                status = 304;
            } else if (path[1].equals("size")) {
                content = body(Integer.parseInt(path[2]));
            } else if (path[1].equals("status")) {
                status = Integer.parseInt(path[2]);
                content = "by order\n".getBytes();
            } else if (!path[1].equals("take")) {
                status = 404;
            }
            boolean bodiless = status == 204 || status == 304;
            int length = bodiless ? 0 : content.length;
            boolean sent = !request.method().equals(HttpMethod.HEAD);
            ByteBuf bytes = sent ? Unpooled.wrappedBuffer(content, 0, length) : Unpooled.EMPTY_BUFFER;
            DefaultFullHttpResponse response = new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, HttpResponseStatus.valueOf(status), bytes);
            List<String> id = target.parameters().getOrDefault("id", List.of(""));
            response.headers().set("x-id", id.get(0));
            if (!bodiless) {
                response.headers().set("Content-Length", length);
            }
            boolean keep = HttpUtil.isKeepAlive(request);
            int port = ((InetSocketAddress) context.channel().remoteAddress()).getPort();
            synchronized (log) {
                log.write(String.format(
                    "%s\t%s\t%d\t%d\t%d\n", request.method(), request.uri(), status, sent ? length : 0, port));
                log.flush();
            }
            var written = context.writeAndFlush(response);
            if (!keep) {
                written.addListener(ChannelFutureListener.CLOSE);
            }
        }
    }

    public static void main(String[] words) throws Exception {
        log = new FileWriter(words[1], true);
        SslContext tls = SslContextBuilder.forServer(new File(words[2]), new File(words[3]))
            .sslProvider(SslProvider.OPENSSL).build();
        new ServerBootstrap()
            .group(new NioEventLoopGroup(2))
            .channel(NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, 256)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                    channel.pipeline().addLast(
                        tls.newHandler(channel.alloc()), new HttpServerCodec(),
                        new HttpObjectAggregator(64 << 20), new Answer());
                }
            })
            .bind("127.0.0.1", Integer.parseInt(words[0])).sync();
    }
}
